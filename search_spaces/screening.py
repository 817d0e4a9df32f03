"""Which rates are worth a training of their own? One training a vendor is scored at ten of them.

    python run_search.py --space screening --run RUN
    python run_search.py --space screening --run RUN --finalists

AlexNet at rates drawn per image, not told which (the kind that did best in one_training), both vendors: 2 trainings, 20
records at 64 px. The second command trains the chosen rates and their neighbours each by itself, from the weights that
screened them. Whether those weights help is the space screened.
"""

SPACE = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 60,
    "batch_size": 16,
    "lr": 5e-4,
    "augment": "flips",
    "standardise": "image",
    "mask": "gumbel",
    "temperature": 1.0,
    "mask_lr_multiplier": 30.0,
    "rate_from": 1 / 64,
    "sampling_rate": [k / 64 for k in (1, 2, 3, 4, 6, 8, 12, 16, 32, 64)],
}
SEARCH = {"sampler": "grid", "seeds": 1}
