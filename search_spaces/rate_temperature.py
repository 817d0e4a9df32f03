"""Can a better temperature replace a higher rate? Optuna draws both, with a fixed budget of lines.

    python run_search.py --data DIR --space rate_temperature

Cost: 32 trials for each vendor at 64 px, one seed each.

The sampler is TPE with two objectives: in-domain and cross-domain validation AUC. The second objective reads the target
vendor's validation labels, and the report says so.

Expect a small effect of the temperature between 0.3 and 2, and a smaller one above: with straight-through draws it
shapes only the gradients.
"""

from ray import tune

SPACE = {
    "mask": "gumbel",
    "sampling_rate": tune.quniform(1 / 64, 1.0, 1 / 64),
    "temperature": tune.loguniform(0.1, 5.0),
    "mask_lr_multiplier": tune.loguniform(1.0, 30.0),
    "width": 0.25,
    "image_size": 64,
    "epochs": 20,
    "lr": 1e-3,
    "augment": "flips",
}
SEARCH = {"sampler": "tpe", "samples": 32, "seeds": 1, "objectives": ["val_in_domain", "val_cross_domain"]}
