"""Do rate and temperature trade against each other? Optuna draws both, at a fixed budget.

    python run_search.py --data DIR --space rate_temperature

TPE with two objectives (in-domain and cross-domain validation AUC), 32 suggestions a vendor, one seed each. With
straight-through draws the temperature shapes gradients only: expect little from it between 0.3 and 2, less above.
Two objectives see the target vendor's validation labels: the report says so.
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
