"""Does a training at one rate gain by beginning from the training that screened all rates?

    python run_search.py --space screening --run runs/screening
    python run_search.py --space screened --init-from runs/screening --run runs/screened
    python benchmarks/transfer_table.py runs/screened

The network of the space screening at three rates, from scratch and from the screening's weights, the same epochs, three
seeds, both vendors: 36 trials at 64 px. Differences are paired by rate and seed; the screening is one training, so its
own luck is in all of them. What came is in docs/families.md.
"""

SPACE = {
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
    "init_from": [None, "pretrained"],
    "sampling_rate": [k / 64 for k in (4, 16, 64)],
}
SEARCH = {"sampler": "grid", "seeds": 3}
