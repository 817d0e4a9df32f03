"""The threshold of a fixed specificity: set on one vendor's validation patients, then applied to other patients.

Where it was set it gives the wanted specificity. Elsewhere both sensitivity and specificity are computed: a shift of
all scores between vendors, which an AUC does not show, appears as a specificity that is not the wanted one.
"""

import math

import numpy as np

from analysis.statistics.bootstrap import Resampled
from tune_ks.core.operating_point import SPECIFICITY


def resampled_thresholds(
    score: np.ndarray, patient: np.ndarray, weights: np.ndarray, specificity: float = SPECIFICITY
) -> np.ndarray:
    """(B,) the threshold of each draw of patients; NaN in a draw without a negative.

    ``score`` (n,) and ``patient`` (n,), counted from 0 in the order of ``weights`` (B, P), of the negative images.
    """
    order = np.argsort(-score, kind="stable")
    times = weights[:, patient[order]]
    total = times.sum(axis=1)
    allowed = np.floor((1 - specificity) * total + 1e-9)
    place = (np.cumsum(times, axis=1) > allowed[:, None]).argmax(
        axis=1
    )  # the highest that is not allowed above the cut
    return np.where(total > 0, score[order][place], math.nan)


def resampled_share(
    score: np.ndarray, patient: np.ndarray, weights: np.ndarray, cut: float, cuts: np.ndarray, above: bool
) -> Resampled:
    """The share of images that lie above the cut (or not above it), of all patients and of B draws of them.

    Each draw of these patients, ``weights`` (B, P), meets a draw of the patients who set the cut, ``cuts`` (B,). The
    images, ``score`` and ``patient`` (n,), are those of one class.
    """
    order = np.argsort(score, kind="stable")
    patients = weights.shape[1]
    images = np.zeros((len(score) + 1, patients))
    images[np.arange(1, len(score) + 1), patient[order]] = 1
    below = np.cumsum(images, axis=0)  # row k: images of each patient among the k lowest
    place = np.searchsorted(score[order], cuts, side="right")
    total = weights @ below[-1]
    not_above = (weights * below[place]).sum(axis=1)
    share = np.divide(not_above, total, out=np.full(len(weights), math.nan), where=total > 0)
    share = np.where(np.isnan(cuts), math.nan, 1 - share if above else share)
    right = (score > cut) == above
    return Resampled(float(right.mean()) if len(score) else math.nan, share, int((below[-1] > 0).sum()))
