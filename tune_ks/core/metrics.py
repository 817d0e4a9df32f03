"""The metrics by name: what a vendor's images are worth, over all of them and within patients."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Probability that a positive image scores above a negative one, ties counted half.

    ``label`` (n,) of 0 and 1, ``score`` (n,) of any real scale. NaN when a class is missing or a
    score is NaN. Equals the Mann-Whitney statistic U / (n1 n0) (Hanley and McNeil, Radiology 1982).
    """
    label = np.asarray(label).astype(bool)
    score = np.asarray(score, dtype=np.float64)
    positives, negatives = int(label.sum()), int((~label).sum())
    if positives == 0 or negatives == 0 or np.isnan(score).any():
        return float("nan")
    _, tie_group, tie_count = np.unique(score, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(tie_count)
    midrank = (last_rank - (tie_count - 1) / 2)[tie_group]
    wins = midrank[label].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def within_patient_auc(label: np.ndarray, score: np.ndarray, patient: np.ndarray) -> float:
    """Mean AUC over the patients that have both classes; NaN when no patient has.

    ``label``, ``score``, ``patient`` are (n,). Free of differences between patients (brightness,
    density), which the image-level AUC mixes in.
    """
    label, score, patient = (np.asarray(values) for values in (label, score, patient))
    each = [auc(label[patient == p], score[patient == p]) for p in np.unique(patient)]
    defined = [value for value in each if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def mean_dice(label: np.ndarray, score: np.ndarray) -> float:
    """Mean over the images that have a Dice coefficient; NaN where none has.

    ``score`` (n,) holds one an image, NaN where it has no tumour to be found; ``label`` (n,) is not read.
    """
    defined = np.asarray(score, dtype=np.float64)
    defined = defined[~np.isnan(defined)]
    return float(defined.mean()) if len(defined) else float("nan")


def within_patient_dice(label: np.ndarray, score: np.ndarray, patient: np.ndarray) -> float:
    """Mean over the patients of their own mean, so that each counts once; NaN where no image has a Dice coefficient."""
    score, patient = np.asarray(score), np.asarray(patient)
    each = np.array([mean_dice(label, score[patient == p]) for p in np.unique(patient)])
    return mean_dice(label, each)


class Metric(NamedTuple):
    """Both take ``label`` (n,) and ``score`` (n,), the second also ``patient`` (n,); NaN where nothing is defined."""

    title: str  # as pages and axes say it
    overall: Callable[[np.ndarray, np.ndarray], float]
    within: Callable[[np.ndarray, np.ndarray, np.ndarray], float]


METRICS = {  # TrialRecord.metric -> how it is computed
    "auc": Metric("AUC", auc, within_patient_auc),
    "dice": Metric("Dice", mean_dice, within_patient_dice),
}
