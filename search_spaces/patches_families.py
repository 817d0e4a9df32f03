"""Does any mask family reach a higher AUC than the low-pass at the same realised rate, on real patches?

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space patches_families
    python -m docs.tables rates RUN

Cost: 60 trials at 64 px, about half an hour on two cores.

Every family at 4/64, a rate that costs AUC, and full sampling; three seeds, both vendors, the recipe of real_patches.
Every mask keeps exactly 4 lines, so all families are compared at the same realised rate; --rates adds others.
The learned families start as real_patches' mask does, nearly full and thinned out (docs/recipe.md).

Expect the learned families close to the low-pass, and the families that leave out the centre of k-space below it.
Results are in docs/families.md.
"""

from search_spaces import FULL, RECIPE, THINNED, THINNED_LOUPE, of_64

RATES = of_64(4)

SPACE = [
    {**RECIPE, **THINNED, "mask": ["gumbel", "dps"], "temperature": 1.0, "sampling_rate": RATES},
    {**RECIPE, **THINNED_LOUPE, "mask": ["loupe", "loupe_straight_through"], "sampling_rate": RATES},
    {
        **RECIPE,
        "mask": ["lowpass", "equispaced", "random_uniform", "variable_density", "poisson_disc"],
        "sampling_rate": RATES,
    },
    {**RECIPE, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 3}
