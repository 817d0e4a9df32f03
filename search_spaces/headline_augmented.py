"""Does a network that sees more varied images, for longer, say something else of the rates?

    python run_search.py --space headline_augmented --run runs/headline_augmented_0 OPTIONS
    python -m docs.tables rates runs/headline_augmented_0

OPTIONS: --data ../shared/data/breast_patches --series post_1 --intensity image

Cost: 30 trials, about half an hour on two cores.

The rates of headline with the recipe AUGMENTED (docs/recipe.md), three seeds, both vendors: full sampling, a low rate
that costs and one that does not, with the learned mask and the low-pass.

Expect full sampling to be higher than in real_patches, and the same answers about the rates. Results are in
docs/results.md.
"""

from search_spaces import AUGMENTED, FULL, LEARNED, of_64

RATES = of_64(4, 16)

SPACE = [
    {**AUGMENTED, **LEARNED, "sampling_rate": RATES},
    {**AUGMENTED, "mask": "lowpass", "sampling_rate": RATES},
    {**AUGMENTED, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 3}
