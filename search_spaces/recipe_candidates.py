"""Which recipe trains a network that is fit to judge a rate? What the command `tune` may try.

    python run_search.py tune --data DIR --minutes 30 --space recipe_candidates

Cost: as many minutes as are given. With few minutes only the recipes of START are compared.

Every recipe is judged at full sampling and at 4/64, on the source vendor's validation images alone. START names the
recipes that are tried first, and the first of them, the default, is what every other one is compared with. The others
change one thing of it that the table in docs/recipe.md leaves open. Then Optuna draws. `tune --space FILE` takes a copy
of this file with other candidates, another image size or another low rate.

Expect small differences. One split of the patients does not tell apart recipes that differ by less than 0.02, and the
seeds of one recipe differ by about as much.
"""

from ray import tune

from search_spaces import RECIPE, WARPED, of_64

SPACE = {
    **RECIPE,
    "mask": "lowpass",
    "sampling_rate": [1.0, *of_64(4)],
    "classifier": tune.choice(["resnet18", "alexnet"]),
    "width": tune.choice([0.125, 0.25, 0.5]),
    "lr": tune.loguniform(2e-4, 1e-2),
    "weight_decay": tune.loguniform(1e-4, 1e-1),
    "schedule": tune.choice(["cosine", "one_cycle", "constant"]),
    "augment": tune.choice(["flips_shifts", "flips", "warp"]),
    "angle_deg": tune.choice([15.0, 180.0]),
    "zoom": tune.choice([0.1, 0.2]),
    "elastic": tune.choice([0.0, 0.04]),
    "gamma": tune.choice([0.0, 0.3]),
    "contrast": tune.choice([0.0, 0.2]),
    "standardise": tune.choice(["image", "none"]),
    "label_smoothing": tune.choice([0.0, 0.1]),
    "mixup": tune.choice([0.0, 0.2]),
    "average": tune.choice([0.0, 0.99]),
}
START = [
    {**RECIPE, "label_smoothing": 0.0, "mixup": 0.0, "average": 0.0},
    {"lr": 1e-3, "weight_decay": 1e-2},
    {"schedule": "one_cycle", "lr": 4e-3},
    {"label_smoothing": 0.1},
    WARPED,
    {"mixup": 0.2},
    {"width": 0.5, "lr": 1e-3},
    {"classifier": "alexnet", "lr": 5e-4},
]
SEARCH = {"sampler": "tpe", "samples": 12, "objectives": ["val_in_domain"]}
