"""Which rates deserve a separate training? One training for each vendor is scored at ten rates.

    python run_search.py --space screening --run RUN
    python run_search.py --space screening --run RUN --finalists

Cost: 2 trainings, 20 records at 64 px.

AlexNet on images whose rates are drawn at random; the network does not know the rate. (Of the three kinds in the space
one_training this one did best.) Both vendors. The second command trains the chosen rates and their neighbours
separately, and begins from the weights that screened them. Whether that helps is the question of the space screened.

Expect AUCs near those of separate trainings at low rates, and lower ones at full sampling.
"""

from search_spaces import EQUAL_START, SMALL, of_64

SPACE = {
    **SMALL,
    **EQUAL_START,
    "epochs": 60,
    "standardise": "image",
    "rate_from": 1 / 64,
    "sampling_rate": of_64(1, 2, 3, 4, 6, 8, 12, 16, 32, 64),
}
SEARCH = {"sampler": "grid", "seeds": 1}
