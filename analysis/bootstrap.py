"""Patient-clustered intervals for AUC: resample patients, never images.

AUC = sum_ij w_i w_j wins_ij / (sum_i w_i positives_i  sum_j w_j negatives_j), where wins_ij counts the pairs (positive
image of patient i, negative image of patient j) in which the positive scores higher, ties half, and w_i is how often
patient i was drawn. The patient-by-patient matrix is computed once; each resample is then a small product.
"""

from typing import NamedTuple

import numpy as np

from tune_ks.seeding import generator

LEVEL = 0.90  # two-sided, so that either end is a one-sided 95 % bound
DRAWS = 1000


class Wins(NamedTuple):
    """One score on one set of images, as far as patients see it."""

    wins: np.ndarray  # (P, P)
    positives: np.ndarray  # (P,) images
    negatives: np.ndarray  # (P,)


class Interval(NamedTuple):
    """A central interval; NaN at both ends where it can't be computed."""

    low: float
    high: float


def win_matrix(label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray) -> Wins:
    """``label`` (n,) of 0 and 1, ``score`` (n,), ``patient`` (n,) -> Wins over ``patients`` (P,), in that order.

    ``patients`` is given so that two scores on the same patients can be resampled together. ValueError for an image
    of a patient that is not listed.
    """
    label, score = np.asarray(label).astype(bool), np.asarray(score, dtype=np.float64)
    order = np.argsort(patients)
    where = np.searchsorted(patients, patient, sorter=order).clip(max=len(patients) - 1)
    index = order[where]
    if not (np.asarray(patients)[index] == np.asarray(patient)).all():
        raise ValueError("an image belongs to a patient that is not among the patients given")
    size = len(patients)
    by_patient = np.argsort(index[label], kind="stable")
    positive_score, positive_patient = score[label][by_patient], index[label][by_patient]
    negative_score, negative_patient = score[~label], index[~label]
    by_score = np.argsort(negative_score, kind="stable")
    below = np.zeros((len(by_score) + 1, size), dtype=np.int32)  # negatives of each patient among the lowest scores
    below[np.arange(1, len(by_score) + 1), negative_patient[by_score]] = 1
    below = np.cumsum(below, axis=0, dtype=np.int32)
    sorted_scores = negative_score[by_score]
    halves = below[np.searchsorted(sorted_scores, positive_score, "left")]
    halves += below[np.searchsorted(sorted_scores, positive_score, "right")]  # a tie is won by half
    wins = np.zeros((size, size))
    if len(positive_patient):
        starts = np.flatnonzero(np.diff(positive_patient, prepend=-1))
        wins[positive_patient[starts]] = np.add.reduceat(halves, starts, axis=0) / 2
    return Wins(wins, np.bincount(positive_patient, minlength=size), np.bincount(negative_patient, minlength=size))


def patient_weights(patients: int, draws: int, *purpose: str | int) -> np.ndarray:
    """(draws, patients) how often each patient is drawn; the same purpose gives the same draws, so pairs stay pairs."""
    equal = np.full(patients, 1 / patients)
    return generator(0, "bootstrap", *purpose).multinomial(patients, equal, size=draws).astype(np.float64)


def resampled_auc(matrix: Wins, weights: np.ndarray) -> np.ndarray:
    """(draws, P) weights -> (draws,) AUC; NaN for a draw without one of the classes."""
    won = ((weights @ matrix.wins) * weights).sum(axis=1)
    pairs = (weights @ matrix.positives) * (weights @ matrix.negatives)
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def interval(draws: np.ndarray, level: float = LEVEL) -> Interval:
    """Percentile interval of the finite draws; NaN when fewer than half of them are finite."""
    finite = draws[np.isfinite(draws)]
    if not len(draws) or len(finite) < len(draws) / 2:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
