"""The k nearest training images by their 16 x 16 pixels (Cover and Hart, IEEE Trans. Inf. Theory 13, 1967).

The distance is the Euclidean one between pixels as they are. A score is the log-odds of the tumours among the k; k has
the best AUC on the validation images, and is at most the number of training images.
"""

import numpy as np

from tune_ks.evaluation.yardsticks import pixels
from tune_ks.evaluation.yardsticks.base import Labelled, NumberScores, of_numbers

NEIGHBOURS = (5, 15, 45)  # k
USUAL = 15


def fit(train: Labelled, val: Labelled) -> NumberScores:
    """The neighbours with the k that validation chooses."""
    return pixels.best_setting(_fit, NEIGHBOURS, USUAL, train, val)


def _fit(neighbours: int, train: Labelled) -> NumberScores:
    from sklearn.neighbors import NearestNeighbors  # takes a second

    count = min(neighbours, len(train.label))
    table = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(train.numbers)

    def score(of_images: np.ndarray) -> np.ndarray:
        nearest = table.kneighbors(of_images, return_distance=False)
        return pixels.log_odds(train.label[nearest].sum(1), count)

    return score


YARDSTICK = of_numbers(pixels.numbers, fit, slow=True)
