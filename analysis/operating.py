"""Sensitivity where a threshold was fixed beforehand, on one vendor's validation, and carried to another vendor.

The threshold gives the wanted specificity where it was set. What it gives elsewhere is measured, both ways: a shift of
all scores between vendors, which no AUC shows, appears here as a specificity that is not the one asked for.
"""

import math

import numpy as np

from analysis.bootstrap import Resampled

SPECIFICITY = 0.90


def threshold(label: np.ndarray, score: np.ndarray, specificity: float = SPECIFICITY) -> float:
    """The lowest cut above which no more negatives lie than the specificity allows; NaN without a negative.

    An image counts as positive when its score is above the cut, so ties with it are negative.
    """
    negatives = np.sort(score[label == 0])[::-1]
    allowed = math.floor((1 - specificity) * len(negatives) + 1e-9)
    return float(negatives[allowed]) if len(negatives) else math.nan


def share(part: np.ndarray, whole: np.ndarray, patient: np.ndarray, weights: np.ndarray) -> Resampled:
    """Images of ``part`` among those of ``whole`` (n,), resampled by patient.

    ``part`` may hold any numbers (a loss an image, say): then it is their mean. ``patient`` (n,) counts from 0 in the
    order of ``weights`` (B, P).
    """
    size = weights.shape[1]
    above = np.bincount(patient, weights=np.where(whole, part, 0.0), minlength=size)
    below = np.bincount(patient, weights=whole.astype(float), minlength=size)
    every = np.vstack([np.ones(size), weights])
    counted = every @ below
    found = np.divide(every @ above, counted, out=np.full(len(every), np.nan), where=counted > 0)
    return Resampled(float(found[0]), found[1:], int((below > 0).sum()))
