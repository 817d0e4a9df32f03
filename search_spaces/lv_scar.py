"""How much of k-space does outlining a scar in the wall of the heart need, and do three views and two stages help?

    python run_search.py --space lv_scar
    python -m docs.tables lv_scar RUN

Cost: 42 trials of 32 x 32 x 32 voxels, 6 to 25 CPU seconds each: about 6 minutes on two quiet cores.

A cascade of small U-Nets after Zabihollahy et al. (Med. Phys. 47:1645, 2020) on the phantom of scarred hearts: 9
training, 4 validation and 8 test hearts of each vendor, both vendors, three seeds. The myocardium is found first, then
the scar within it, each by three views that vote. The low-pass and the learned mask at two low rates, and full
sampling, there also with one view and with one stage. The score is the Dice of the scar, a number a heart; each record
also holds its volume's and surface's error, and the Dice of one fixed scar for all hearts.

Expect the vote above a single view, two stages above one, and Dice to fall at low rates and across vendors.
"""

from search_spaces import EQUAL_START, FULL

RATES = [4 / 32, 8 / 32]
COMMON = {
    "image_size": 32,
    "task": "volume",
    "classifier": "cascade",
    "width": 0.125,
    "dropout": 0.0,
    "augment": "flips",
    "epochs": 9,
    "batch_size": 1,
    "lr": 2e-2,
    "schedule": "cosine",
    "warmup": 0.1,
}

SPACE = [
    {**COMMON, **FULL},
    {**COMMON, **FULL, "views": 1},
    {**COMMON, **FULL, "stages": 1},
    {**COMMON, "mask": "lowpass", "sampling_rate": RATES},
    {**COMMON, **EQUAL_START, "sampling_rate": RATES},
]
SEARCH = {"sampler": "grid", "seeds": 3, "phantom": "lge"}
