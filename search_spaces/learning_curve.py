"""Would more patients help, and do they help more with all of k-space than with little of it?

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space learning_curve

Cost: 48 trials, about half an hour on two cores (an estimate: the smallest share also validates ten times as often).

A tenth to eight tenths of the training patients, at full sampling and with the low-pass at 4/64, three seeds, both
vendors. A larger share holds the patients of a smaller one; validation and test patients are the same for all. The
trainings of a smaller share run as many more epochs, so that all take the same number of steps: with the same number
of epochs a small share would be worse because it was trained less. Any epoch may be the best one (settle 0: there is
no mask to settle). Everything else is as in real_patches.

Expect the curve to rise to its end: the patients are few. If it rises more steeply at full sampling, the cost of a low
rate is larger with more patients than what was measured with these. The report has the figure ("Learning curve in
patients").
"""

from search_spaces import FULL, RECIPE, of_64

SHARES = (0.1, 0.2, 0.4, 0.8)
MASKS = (FULL, {"mask": "lowpass", "sampling_rate": of_64(4)})

SPACE = []
for share in SHARES:
    of_share = {**RECIPE, "settle": 0.0, "train_share": share, "epochs": round(RECIPE["epochs"] / share)}
    SPACE += [{**of_share, **mask} for mask in MASKS]
SEARCH = {"sampler": "grid", "seeds": 3}
