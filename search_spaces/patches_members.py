"""With the recipe that learns: does one training for all rates, or a U-Net before the classifier, change the curve?

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space patches_members
    python -m docs.tables members RUN

Cost: 30 trainings, 42 records at 64 px, about 45 minutes on two cores: the U-Net and the single training take longest.

The low-pass at 4/64, 16/64 and full sampling on real patches, three seeds, both vendors, each rate trained separately
as in real_patches. Against these: one training whose rates are drawn per image, which does not know the rate and takes
twice the epochs, scored at the three rates; and at 4/64 a U-Net trained together with the classifier. Trainings of one
seed start with the same classifier, so differences are paired.

Expect the single training near the separate ones at low rates and below them at full sampling, and no gain from the
U-Net: what the classifier can learn from its image it can learn without it. Results are in docs/families.md.
"""

from search_spaces import FULL, RECIPE, of_64

LOWPASS = {**RECIPE, "mask": "lowpass"}
UNET = {"reconstruction": "unet", "reconstruction_channels": 16, "reconstruction_weight": 10.0}

SPACE = [
    {**LOWPASS, "sampling_rate": of_64(4, 16)},
    {**RECIPE, **FULL},
    {**LOWPASS, "sampling_rate": of_64(4), **UNET},
    {**LOWPASS, "sampling_rate": of_64(4, 16, 64), "rate_from": 1 / 64, "epochs": 2 * RECIPE["epochs"]},
]
SEARCH = {"sampler": "grid", "seeds": 3}
