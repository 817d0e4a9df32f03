"""How much of k-space does outlining the tumour need, in its own vendor and in the other?

    python run_search.py --space segmentation

The phantom's voxel masks, a U-Net of a quarter of the width, both vendors, one seed: the learned mask and the low-pass
at four rates k/64 and full sampling, 18 trials; and at 4/64 and in full each also against an adversary
(``adversarial_weight``), 4 more. 64 px, every image standardised, images without a tumour among those trained on. 22
trials, each about a minute and a half of one core: 18 minutes on a busy machine of two. Judged by Dice; each record has
beside it the Dice of one mask for every image (``trivial``). What came is in docs/families.md
(`python benchmarks/segmentation_table.py RUN` makes its table).
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
