"""What does a training reach with all of k-space, and what do three of them reach together?

    python run_search.py --space full_sampling --split-seed 0 --run runs/full_0 OPTIONS
    python -m docs.splits runs/full_0 runs/full_1 runs/full_2 runs/full_3 runs/full_4

for --split-seed 0 to 4; OPTIONS: --data ../shared/data/breast_patches --series post_1 --intensity image

Cost: 6 trials for a split, four minutes on two cores.

Full sampling with the recipe of real_patches, three seeds, both vendors. A cheap first look at a cohort: where the
network is not above its yardsticks here, no rate below can be judged by it.

Expect the mean score of three trainings to be better than one by about 0.006, and the linear yardstick to be close.
Results are in docs/results.md.
"""

from search_spaces import FULL, RECIPE

SPACE = [{**RECIPE, **FULL}]
SEARCH = {"sampler": "grid", "seeds": 3}
