"""Does one training at drawn rates give the same curve as a training a rate?

    python run_search.py --space one_training
    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space one_training

Ten rates k/64. Three conditional trainings a vendor, of twice the epochs, each scored at all ten: told the rate by
FiLM, by a hypernetwork, and not told. Beside them a training a rate, ten a vendor, and at the five lowest another that
starts dense and shrinks to its rate. One seed, both vendors: 36 trainings, 90 records at 64 px. A conditional curve
screens rates; `--finalists` trains the picks each by itself. What came is in docs/families.md
(`python benchmarks/one_training.py RUN ...` makes its tables).
"""

RATES = [k / 64 for k in (1, 2, 3, 4, 6, 8, 12, 16, 32, 64)]
COMMON = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 30,
    "batch_size": 16,
    "lr": 5e-4,
    "augment": "flips",
    "standardise": "image",
    "mask": "gumbel",
    "temperature": 1.0,
    "mask_lr_multiplier": 30.0,
}
DRAWN = {**COMMON, "epochs": 60, "rate_from": 1 / 64, "sampling_rate": RATES}

SPACE = [
    {**COMMON, "sampling_rate": RATES},
    {**COMMON, "sampling_rate": RATES[:5], "rate_start": 1.0},
    {**DRAWN, "classifier": ["alexnet", "alexnet_film", "alexnet_hyper"]},
]
SEARCH = {"sampler": "grid", "seeds": 1}
