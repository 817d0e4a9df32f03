"""How strongly should training images be changed? Full sampling, without the patients that real_patches tests.

    python run_search.py --space augmentations --split-seed 1 --run runs/augmentations_1 OPTIONS
    python -m docs.recipes_on_splits runs/augmentations_1 runs/augmentations_2 runs/augmentations_3 runs/augmentations_4

for --split-seed 1 to 4; OPTIONS: --data development --series post_1 --intensity image, a folder that is written by
python -m docs.untested_patients runs/post_1 ../shared/data/breast_patches development --series post_1

Cost: 8 trials for a split, seven minutes on two cores.

The recipe of real_patches, whose images are mirrored and shifted; images that are also zoomed, bent, of another
contrast and turned by up to 45 degrees or by any angle; and the last of these for twice as many epochs. One seed, both
vendors. The 202 patients are those that real_patches trains and validates on with --split-seed 0, so what is chosen
here has not seen its test patients. A recipe is chosen by the AUC on images of its training vendor alone.

Expect a small gain that four splits do not show for certain. Results are in docs/recipe.md.
"""

from search_spaces import AUGMENTED, FULL, RECIPE, WARPED

SPACE = [
    {**RECIPE, **FULL},
    {**RECIPE, **WARPED, **FULL, "angle_deg": [45.0, 180.0]},
    {**AUGMENTED, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 1}
