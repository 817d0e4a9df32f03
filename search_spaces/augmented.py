"""Does a network that sees more varied images, for longer, see more of the tumour at full sampling?

    python run_search.py --space augmented --split-seed 0 --run runs/augmented_0 OPTIONS
    python -m docs.splits runs/augmented_0 runs/augmented_1 runs/augmented_2 runs/augmented_3 runs/augmented_4

for --split-seed 0 to 4; OPTIONS: --data ../shared/data/breast_patches --series post_1 --intensity image

Cost: 6 trials for a split, five to ten minutes on two cores.

The trainings of full_sampling with the recipe AUGMENTED, same splits and seeds, so that each has its pair there. The
recipe was chosen with one seed on patients that split 0 does not test (space augmentations, docs/recipe.md).

Expect an AUC that is higher by 0.01 to 0.02. Results are in docs/results.md.
"""

from search_spaces import AUGMENTED, FULL

SPACE = [{**AUGMENTED, **FULL}]
SEARCH = {"sampler": "grid", "seeds": 3}
