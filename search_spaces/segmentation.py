"""How much of k-space does outlining the tumour need, in its own vendor and in the other?

    python run_search.py --space segmentation

The phantom's voxel masks, a U-Net of a quarter of the width, both vendors, one seed: the learned mask and the low-pass
at four rates k/64 and full sampling, 18 trials; and at 4/64 and in full each also against an adversary
(``adversarial_weight``), 4 more. 64 px, every image standardised, images without a tumour among those trained on. Each
trial takes 50 s of one core: 10 minutes on a quiet machine of two. Judged by Dice; each record has beside it the Dice
of one mask for every image (``trivial``, 0.18 to 0.21). Expect 0.6 at full sampling, less below, and no loss between
vendors beyond the noise of 18 test patients: the U-Net's instance norm and the standardised image leave little of it.
"""

RATES = [k / 64 for k in (2, 4, 8, 16)]
COMMON = {
    "task": "segmentation",
    "classifier": "unet",
    "width": 0.25,
    "dropout": 0.0,
    "image_size": 64,
    "standardise": "image",
    "epochs": 24,
    "batch_size": 16,
    "lr": 2e-3,
    "augment": "flips",
    "mask_lr_multiplier": 30.0,
}
LEARNED = {**COMMON, "mask": "gumbel", "temperature": 1.0}
DECEIVING = {"adversarial_weight": 0.05}

SPACE = [
    {**LEARNED, "sampling_rate": RATES},
    {**COMMON, "mask": "lowpass", "sampling_rate": [*RATES, 1.0]},
    {**LEARNED, **DECEIVING, "sampling_rate": 4 / 64},
    {**COMMON, **DECEIVING, "mask": "lowpass", "sampling_rate": 1.0},
]
SEARCH = {"sampler": "grid", "seeds": 1}
