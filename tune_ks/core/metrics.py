"""The metrics by name: a score of one vendor's images, over all of them and as a mean over patients.

The AUC counts pairs with numpy: scipy.stats.rankdata gives the same numbers, but importing scipy.stats costs every
worker 0.6 s and 54 MB.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# the points of a FROC curve that a record holds: in words, false positives an image
FALSE_POSITIVES = {"1/8": 1 / 8, "1/4": 1 / 4, "1/2": 1 / 2, "1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0}
MISSED = -1e9  # score of an image whose tumour was not found, for "lroc": below every logit
DOMAINS = ("in_domain", "cross_domain")  # of every metric: on the source vendor; mean over the other vendors


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Probability that a positive image scores above a negative one; ties count half.

    ``label`` (n,) of 0 and 1, ``score`` (n,) of any real scale. NaN when a class is missing or a score is NaN. Equals
    the Mann-Whitney statistic U / (n1 n0) (Hanley and McNeil, Radiology 1982).
    """
    label = np.asarray(label).astype(bool)
    score = np.asarray(score, dtype=np.float64)
    positives = score[label]
    negatives = np.sort(score[~label])
    if len(positives) == 0 or len(negatives) == 0 or np.isnan(score).any():
        return float("nan")
    below = np.searchsorted(negatives, positives, side="left")  # of each positive: negatives with a smaller score
    not_above = np.searchsorted(negatives, positives, side="right")  # and with a smaller or equal score
    wins = (below.sum() + not_above.sum()) / 2
    return float(wins / (len(positives) * len(negatives)))


def within_patient_auc(label: np.ndarray, score: np.ndarray, patient: np.ndarray) -> float:
    """Mean AUC over the patients that have both classes; NaN when no patient has.

    ``label``, ``score``, ``patient`` are (n,). Free of differences between patients (brightness, density), which the
    image-level AUC includes.
    """
    return _mean_over_patients(auc, label, score, patient)


def mean_dice(label: np.ndarray, score: np.ndarray) -> float:
    """Mean over the images that have a Dice coefficient; NaN when none has.

    ``score`` (n,) is the coefficient of each image, NaN for an image without tumour; ``label`` (n,) is not read.
    """
    return _mean_of_defined(score)


def mean_r2(label: np.ndarray, score: np.ndarray) -> float:
    """Mean of R2 = 1 - NRMSE^2 over the images that have one; NaN when none has. At most 1, and may be negative.

    ``score`` (n,) is the R2 of each image, NaN where it has no true map; ``label`` (n,) is not read.
    """
    return _mean_of_defined(score)


def within_patient_r2(label: np.ndarray, score: np.ndarray, patient: np.ndarray) -> float:
    """Mean over patients of the patient's mean R2; NaN when no image has one."""
    return _mean_over_patients(mean_r2, label, score, patient)


def within_patient_dice(label: np.ndarray, score: np.ndarray, patient: np.ndarray) -> float:
    """Mean over patients of the patient's mean, so that all patients weigh the same; NaN when no image has a Dice."""
    return _mean_over_patients(mean_dice, label, score, patient)


def _mean_over_patients(
    metric: Callable[[np.ndarray, np.ndarray], float], label: np.ndarray, score: np.ndarray, patient: np.ndarray
) -> float:
    """Mean of ``metric`` over the patients for whom it is defined."""
    label = np.asarray(label)
    score = np.asarray(score)
    patient = np.asarray(patient)
    values = []
    for name in np.unique(patient):
        of_patient = patient == name
        values.append(metric(label[of_patient], score[of_patient]))
    return _mean_of_defined(values)


def _mean_of_defined(values: np.ndarray | list[float]) -> float:
    """Mean over the values that are not NaN; NaN when all are."""
    values = np.asarray(values, dtype=np.float64)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def sensitivity_at(false_positives: str) -> str:
    """The name in a record of the sensitivity at a key of FALSE_POSITIVES."""
    return f"sensitivity at {false_positives} false positives an image"


class Metric(NamedTuple):
    """Both functions take ``label`` (n,) and ``score`` (n,), the second also ``patient`` (n,). NaN when undefined."""

    title: str  # in text and on axes
    overall: Callable[[np.ndarray, np.ndarray], float]
    within: Callable[[np.ndarray, np.ndarray, np.ndarray], float]
    classes: tuple[int, ...]  # the labels of which it needs images


METRICS = {  # TrialRecord.metric -> how it is computed
    "auc": Metric("AUC", auc, within_patient_auc, classes=(1, 0)),
    # of scores that are MISSED where the image has a tumour and the answer is elsewhere
    "lroc": Metric("LROC", auc, within_patient_auc, classes=(1, 0)),
    "dice": Metric("Dice", mean_dice, within_patient_dice, classes=(1,)),
    "r2": Metric("R2", mean_r2, within_patient_r2, classes=(1,)),
}
