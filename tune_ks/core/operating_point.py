"""The operating point of a classifier: the threshold of a fixed specificity, set on negative images of one vendor.

The analysis reports sensitivity at this threshold, ``predict`` calls images by it: both ask here.
"""

import math

import numpy as np

SPECIFICITY = 0.90


def threshold(label: np.ndarray, score: np.ndarray, specificity: float = SPECIFICITY) -> float:
    """The lowest cut above which no more negatives lie than the specificity allows; NaN without a negative.

    An image counts as positive when its score is above the cut, so ties with it are negative.
    """
    negatives = np.sort(score[label == 0])[::-1]
    allowed = math.floor((1 - specificity) * len(negatives) + 1e-9)
    return float(negatives[allowed]) if len(negatives) else math.nan
