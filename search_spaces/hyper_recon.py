"""Does it matter for the classifier which mix of losses an image is restored by, when one network serves every mix?

    python run_search.py --space hyper_recon
    python -m docs.tables hyper_recon RUN

Cost: 18 trainings, 42 records at 64 px, about 5 minutes on two quiet cores: 30 CPU seconds a training with its
records.

The low-pass at 8/64, both vendors, three seeds. HyperRecon with 8 channels restores by a mix of L1 and 1 - SSIM: one
training that draws lambda for every image is scored at lambda 0, 1/4, 1/2, 3/4 and 1; two separate trainings have
lambda 0 and 1 throughout.

Expect the images to change with lambda (the PSNR falls and the SSIM rises on the way from L1 to SSIM), the one training
to come near the separate ones, and the AUC to stay the same. A likeness that is learned on one vendor helps less on the
other vendor's images.
"""

from search_spaces import SMALL

COMMON = {
    **SMALL,
    "epochs": 24,
    "lr": 1e-3,
    "schedule": "cosine",
    "standardise": "image",
    "mask": "lowpass",
    "sampling_rate": 8 / 64,
    "reconstruction": "hyper_recon",
    "reconstruction_weight": 10.0,
    "hyper_channels": 8,
}

SPACE = [
    {**COMMON, "loss_mix_drawn": "uniform", "loss_mix": [0.0, 0.25, 0.5, 0.75, 1.0]},
    {**COMMON, "loss_mix": [0.0, 1.0]},
]
SEARCH = {"sampler": "grid", "seeds": 3}
