"""Can one training that meets random rates give the same AUC curve as a separate training for every rate?

    python run_search.py --space one_training
    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space one_training
    python -m docs.tables one_training RUN

Cost: 36 trainings, 90 records at 64 px; 12 minutes (phantom) and 26 minutes (patches) on two busy cores.

Ten rates k/64, one seed, both vendors. Per vendor: three conditional trainings of 60 epochs, whose rates are drawn per
image and which are scored at all ten rates. The first does not know the rate, the second gets it by FiLM, the third by
a hypernetwork. For comparison ten trainings of 30 epochs, one for each rate; and at the five lowest rates another
training that begins at rate 1 and shrinks to its rate.

Expect the conditional curve near the separate ones at low rates and below them at full sampling. It is meant for
screening: `--finalists` then trains the chosen rates separately. Results are in docs/underfit.md.
"""

from search_spaces import EQUAL_START, SMALL, of_64

RATES = of_64(1, 2, 3, 4, 6, 8, 12, 16, 32, 64)
SEPARATE = {**SMALL, **EQUAL_START, "epochs": 30, "standardise": "image"}
CONDITIONAL = {**SEPARATE, "epochs": 60, "rate_from": 1 / 64, "sampling_rate": RATES}

SPACE = [
    {**SEPARATE, "sampling_rate": RATES},
    {**SEPARATE, "sampling_rate": RATES[:5], "rate_start": 1.0},
    {**CONDITIONAL, "classifier": ["alexnet", "alexnet_film", "alexnet_hyper"]},
]
SEARCH = {"sampler": "grid", "seeds": 1}
