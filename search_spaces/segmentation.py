"""How much of k-space does outlining the tumour need, on the training vendor's images and on the other vendor's?

    python run_search.py --space segmentation
    python -m docs.tables segmentation RUN

Cost: 22 trials at 64 px, each about a minute and a half of one core: 18 minutes on two busy cores.

A U-Net of a quarter of the usual width learns the phantom's voxel masks; both vendors, one seed. The learned mask and
the low-pass at four rates k/64, and full sampling. At 4/64 and at full sampling also with an adversary, which learns to
tell predicted masks from true ones (``adversarial_weight``). Every image is standardised; images without a tumour are
trained on too. The score is Dice; each record also holds the Dice of one fixed mask for all images (``trivial``).

Expect Dice to rise with the rate in both domains. Results are in docs/underfit.md.
"""

from search_spaces import EQUAL_START, FULL, SMALL, of_64

RATES = of_64(2, 4, 8, 16)
COMMON = {
    **SMALL,
    "task": "segmentation",
    "classifier": "unet",
    "width": 0.25,
    "dropout": 0.0,
    "standardise": "image",
    "epochs": 24,
    "lr": 2e-3,
    "mask_lr_multiplier": 30.0,
}
ADVERSARY = {"adversarial_weight": 0.05}

SPACE = [
    {**COMMON, **EQUAL_START, "sampling_rate": RATES},
    {**COMMON, "mask": "lowpass", "sampling_rate": [*RATES, 1.0]},
    {**COMMON, **EQUAL_START, **ADVERSARY, "sampling_rate": 4 / 64},
    {**COMMON, **FULL, **ADVERSARY},
]
SEARCH = {"sampler": "grid", "seeds": 1}
