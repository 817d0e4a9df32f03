"""The threshold of a fixed specificity: set on one vendor's validation patients, then applied to other patients.

Where it was set it gives the wanted specificity. Elsewhere both sensitivity and specificity are computed: a shift of
all scores between vendors, which an AUC does not show, appears as a specificity that is not the wanted one.
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
