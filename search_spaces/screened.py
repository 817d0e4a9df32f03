"""Does a training at one rate gain when it begins from the training that screened all rates?

    python run_search.py --space screening --run runs/screening
    python run_search.py --space screened --init-from runs/screening --run runs/screened
    python -m docs.tables pretraining runs/screened

Cost: 36 trials at 64 px, 3 minutes on the phantom on two busy cores.

The network of the space screening at three rates, from scratch and from the screening's weights, with the same number
of epochs; three seeds, both vendors. Differences are paired by rate and seed. All of them share one screening training,
so its good or bad luck is in every difference.

Expect a gain where trainings from scratch hardly start (the phantom at low rates), and none where they do (the
patches). Results are in docs/underfit.md.
"""

from search_spaces import EQUAL_START, SMALL, of_64

SPACE = {
    **SMALL,
    **EQUAL_START,
    "epochs": 30,
    "standardise": "image",
    "init_from": [None, "pretrained"],
    "sampling_rate": of_64(4, 16, 64),
}
SEARCH = {"sampler": "grid", "seeds": 3}
