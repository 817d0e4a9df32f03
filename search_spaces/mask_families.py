"""Does any mask family reach a higher AUC than the low-pass at the same realised rate?

    python run_search.py --space mask_families
    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space mask_families
    python -m docs.tables rates RUN

Cost: 92 trials at 64 px: 5 minutes on the phantom, about half an hour on the patches.

Every family at five rates k/64, and full sampling; one seed, both vendors. Every mask keeps exactly k lines, so all
families are compared at the same realised rate. For more seeds run the same command with "seeds" raised.

Expect the learned families close to the low-pass, and the families that leave out the centre of k-space below it.
docs/families.md asks it of a network that learns (space patches_families).
"""

from search_spaces import FULL, SMALL, of_64

COMMON = {**SMALL, "epochs": 30, "mask_lr_multiplier": 30.0}
RATES = of_64(2, 4, 8, 16, 32)

SPACE = [
    {**COMMON, "mask": ["gumbel", "dps"], "temperature": 1.0, "sampling_rate": RATES},
    {**COMMON, "mask": ["loupe", "loupe_straight_through"], "sampling_rate": RATES},
    {
        **COMMON,
        "mask": ["lowpass", "equispaced", "random_uniform", "variable_density", "poisson_disc"],
        "sampling_rate": RATES,
    },
    {**COMMON, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 1}
