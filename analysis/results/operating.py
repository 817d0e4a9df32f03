"""Sensitivity where a threshold was fixed beforehand, on one vendor's validation, and carried to another vendor.

The threshold gives the wanted specificity where it was set. What it gives elsewhere is measured, both ways: a shift of
all scores between vendors, which no AUC shows, appears here as a specificity that is not the one asked for.
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
