"""Does a low rate, or a learned mask, raise the AUC across vendors on real breast MRI patches?

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space real_patches
    python -m docs.tables rates RUN

Cost: 78 trials, about half an hour for a series on two cores.

The learned mask and the low-pass at rates k/64 on a logarithmic scale, and full sampling; 64 px as stored, three seeds,
both vendors. The patches were resampled before they came here, and their content ends near half of Nyquist. Rates above
0.5 would therefore change next to nothing, and are left out. The recipe was chosen on source validation images
(docs/recipe.md). With the AlexNet of the source study, which could not use the whole of k-space, a low rate seemed to
cost little (docs/results.md).

Expect no gain across vendors. Compare the learned mask with the low-pass at the same rate, and both with the yardsticks
that need no network. Results are in docs/results.md.
"""

from search_spaces import FULL, LEARNED, RECIPE, of_64

RATES = of_64(1, 2, 4, 8, 16, 32)

SPACE = [
    {**RECIPE, **LEARNED, "sampling_rate": RATES},
    {**RECIPE, "mask": "lowpass", "sampling_rate": RATES},
    {**RECIPE, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 3}
