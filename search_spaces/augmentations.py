"""How strongly should training images be changed? Full sampling, on patients that no other search tests.

    python run_search.py --space augmentations --split-seed 1 --run runs/augmentations_1 OPTIONS
    python -m docs.recipes_on_splits runs/augmentations_1 runs/augmentations_2 runs/augmentations_3 runs/augmentations_4

for --split-seed 1 to 4; OPTIONS: --data development --series post_1 --intensity image, a folder that is written by
python -m docs.untested_patients runs/post_1 ../shared/data/breast_patches development --series post_1

Cost: 8 trials for a split, seven minutes on two cores.

Images that are only mirrored and shifted, as in version 0.2.0; turned by up to 45 degrees or by any angle, zoomed, bent
and of another contrast; and the last of these for twice as many epochs. One seed, both vendors. The 202 patients are
those that real_patches trains and validates on with --split-seed 0, so nothing that is chosen here has seen its test
patients. A recipe is chosen by the AUC on images of its training vendor alone.

Expect the stronger changes to raise the AUC, since a few dozen patients are all that a network learns from. Results are
in docs/recipe.md.
"""

from search_spaces import FULL, RECIPE, RECIPE_0_2

SPACE = [
    {**RECIPE_0_2, **FULL},
    {**RECIPE, **FULL, "angle_deg": [45.0, 180.0]},
    {**RECIPE, **FULL, "epochs": 48},
]
SEARCH = {"sampler": "grid", "seeds": 1}
