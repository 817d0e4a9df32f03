"""What does the phantom teach? Trainings for the space finetune to begin from; a question of its own only in passing.

    python run_search.py --space pretrain --run runs/pretrain

AlexNet, and AlexNet with an adaptive first convolution, on low-pass images at 4/64, 16/64 and full sampling, both
vendors, three seeds: 36 trials at 64 px, about 5 minutes on two quiet cores. Each image is standardised, as in
finetune: the phantom's brightness is not that of patients. Side information is hidden at times, so that a network is
not lost with parameters that the phantom never had. Everything that shapes the network, the vendor and the rate must be
the same in finetune, which finds its trial by them.
"""

COMMON = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 60,
    "batch_size": 16,
    "lr": 5e-4,
    "augment": "flips",
    "standardise": "image",
    "mask": "lowpass",
    "sampling_rate": [k / 64 for k in (4, 16, 64)],
}

SPACE = [
    {**COMMON, "classifier": "alexnet"},
    {**COMMON, "classifier": "alexnet_adaptive", "side_dropout": 0.3},
]
SEARCH = {"sampler": "grid", "seeds": 3}
