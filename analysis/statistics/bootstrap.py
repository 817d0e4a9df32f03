"""Patient-clustered intervals: patients are resampled, never images.

AUC = sum_ij w_i w_j wins_ij / (sum_i w_i positives_i  sum_j w_j negatives_j), where wins_ij counts the pairs (positive
image of patient i, negative image of patient j) in which the positive scores higher, ties half, and w_i is how often
patient i was drawn. The patient-by-patient matrix is computed once; each resample is then a small product. A mean over
images is sum_i w_i total_i / sum_i w_i images_i.

Percentiles of such draws are too narrow with few patients (a 90 % interval covered 64 to 86 % at 8 to 15 patients). So
an interval is the draws' standard error times Student's t on the logit scale; its sample size is the number of patients
of the scarcer class.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from analysis.statistics.scale import from_scale, limits_of_difference, slope, to_scale
from analysis.statistics.special import expit, logit, ndtri, stdtr, stdtrit
from tune_ks.core.seeding import generator

LEVEL = 0.90  # two-sided, so that either end is a one-sided 95 % bound
DRAWS = 1000


class Wins(NamedTuple):
    """Pairs of images that one score orders rightly, counted by pair of patients."""

    wins: np.ndarray  # (P, P): row, the patient of the positive image; column, that of the negative one
    positives: np.ndarray  # (P,) images
    negatives: np.ndarray  # (P,)


class Interval(NamedTuple):
    """A central interval; NaN at both ends where it can't be computed."""

    low: float
    high: float


NOWHERE = Interval(math.nan, math.nan)


@dataclass(frozen=True)
class Resampled:
    """A metric, or a difference of two on the same patients, and its values on resampled patients."""

    point: float  # of the sample itself
    draws: np.ndarray  # (B,); NaN for a draw on which it is undefined
    patients: int  # that it rests on (of an AUC, those of the scarcer class); over several vendors, the fewest
    floor: float = 0.0  # the least value it can take: 0 of a metric, -1 of a difference, -inf where there is none
    in_mean: bool = True  # False: of a vendor that the cross-domain mean leaves out (tune_ks.core.domains)
    ceiling: float = 1.0  # the greatest value it can take; inf of a difference that has no limits

    def __sub__(self, other: "Resampled") -> "Resampled":
        """The paired difference; both were resampled with the same weights."""
        fewest = min(self.patients, other.patients)
        in_mean = self.in_mean and other.in_mean
        floor, ceiling = limits_of_difference(min(self.floor, other.floor))
        return Resampled(self.point - other.point, self.draws - other.draws, fewest, floor, in_mean, ceiling)

    @cached_property
    def error(self) -> float:
        """Standard error; NaN unknown. n - 1 in place of n: a bootstrap of n patients is too narrow by that factor."""
        finite = self.draws[np.isfinite(self.draws)]
        if self.patients < 2 or not math.isfinite(self.point) or 2 * len(finite) < max(len(self.draws), 2):
            return math.nan
        return float(finite.std() * math.sqrt(self.patients / (self.patients - 1)))


TrialDraws = dict[tuple[str, str], Resampled]  # (split, vendor) -> the metric of one trial


def average(values: Sequence[Resampled]) -> Resampled:
    """Mean over seeds (which share their patients) or over vendors (which do not)."""
    return Resampled(
        point=float(np.mean([value.point for value in values])),
        draws=np.mean([value.draws for value in values], axis=0),
        patients=min(value.patients for value in values),
        floor=min(value.floor for value in values),
        ceiling=max(value.ceiling for value in values),
        in_mean=all(value.in_mean for value in values),
    )


def win_matrix(label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray) -> Wins:
    """``label`` (n,) of 0 and 1, ``score`` (n,), ``patient`` (n,) -> Wins over ``patients`` (P,), in that order.

    ``patients`` is given so that two scores on the same patients can be resampled together. ValueError for an image
    of a patient that is not listed.
    """
    label = np.asarray(label).astype(bool)
    score = np.asarray(score, dtype=np.float64)
    index = positions(patient, patients)
    size = len(patients)
    by_patient = np.argsort(index[label], kind="stable")
    positive_score = score[label][by_patient]
    positive_patient = index[label][by_patient]
    by_score = np.argsort(score[~label], kind="stable")
    sorted_scores = score[~label][by_score]
    negative_patient = index[~label]
    below = np.zeros((len(by_score) + 1, size), dtype=np.int32)  # row k: negatives of each patient among the k lowest
    below[np.arange(1, len(by_score) + 1), negative_patient[by_score]] = 1
    below = np.cumsum(below, axis=0, dtype=np.int32)
    halves = below[np.searchsorted(sorted_scores, positive_score, "left")]
    halves += below[np.searchsorted(sorted_scores, positive_score, "right")]  # a tie is won by half
    wins = np.zeros((size, size))
    if len(positive_patient):
        starts = np.flatnonzero(np.diff(positive_patient, prepend=-1))
        wins[positive_patient[starts]] = np.add.reduceat(halves, starts, axis=0) / 2
    return Wins(wins, np.bincount(positive_patient, minlength=size), np.bincount(negative_patient, minlength=size))


def positions(patient: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """``patient`` (n,) -> where each stands in ``patients`` (P,). ValueError for one that is not listed."""
    order = np.argsort(patients)
    where = np.searchsorted(patients, patient, sorter=order).clip(max=len(patients) - 1)
    index = order[where]
    if not (np.asarray(patients)[index] == np.asarray(patient)).all():
        raise ValueError("an image belongs to a patient that is not among the patients given")
    return index


def patient_weights(patients: int, draws: int, *purpose: str | int) -> np.ndarray:
    """(draws, patients) how often each patient is drawn; the same purpose gives the same draws, so pairs stay pairs."""
    equal = np.full(patients, 1 / patients)
    return generator(0, "bootstrap", *purpose).multinomial(patients, equal, size=draws).astype(np.float64)


def resampled_auc(matrix: Wins, weights: np.ndarray) -> Resampled:
    """(B, P) weights -> the AUC of all the patients and of the B draws of them."""
    weights = np.vstack([np.ones(len(matrix.wins)), weights])
    won = ((weights @ matrix.wins) * weights).sum(axis=1)
    pairs = (weights @ matrix.positives) * (weights @ matrix.negatives)
    auc = np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    scarcer = min(int(np.sum(matrix.positives > 0)), int(np.sum(matrix.negatives > 0)))
    return Resampled(float(auc[0]), auc[1:], scarcer)


def resampled_mean(value: np.ndarray, counted: np.ndarray, patient: np.ndarray, weights: np.ndarray) -> Resampled:
    """The mean of ``value`` (n,) over the images that are ``counted`` (n,), of all the patients and of B draws of them.

    ``patient`` (n,) counts from 0 in the order of ``weights`` (B, P). The mean of true and false values is a share.
    """
    size = weights.shape[1]
    total = np.bincount(patient, weights=np.where(counted, value, 0.0), minlength=size)
    images = np.bincount(patient, weights=counted.astype(float), minlength=size)
    weights = np.vstack([np.ones(size), weights])
    drawn = weights @ images
    mean = np.divide(weights @ total, drawn, out=np.full(len(weights), np.nan), where=drawn > 0)
    return Resampled(float(mean[0]), mean[1:], int((images > 0).sum()))


def widened(patients: float, level: float = LEVEL) -> float:
    """The factor by which draws of so few patients must be stretched to be as wide as ``interval``."""
    if math.isinf(patients):
        return 1.0
    longer_tail = stdtrit(patients - 1, (1 + level) / 2) / ndtri((1 + level) / 2)
    return float(math.sqrt(patients / (patients - 1)) * longer_tail)


def interval(value: Resampled, level: float = LEVEL) -> Interval:
    """Central interval: the bootstrap's standard error times Student's t; its freedom is the patients less one."""
    return t_interval(value.point, value.error, value.patients - 1, value.floor, level, value.ceiling)


def t_interval(
    point: float, error: float, freedom: float, floor: float = 0.0, level: float = LEVEL, ceiling: float = 1.0
) -> Interval:
    """``point`` with its standard error -> an interval inside its limits; NaN where the error is unknown.

    Student's t with ``freedom`` on the scale of ``scale.py``. At an end of the range [floor, 1] the spread is 0: there
    the freedom + 1 patients count as binomial trials (Clopper and Pearson, 1934).
    """
    if not (math.isfinite(point) and math.isfinite(error) and freedom > 0):
        return NOWHERE
    tail = (1 - level) / 2
    if math.isinf(floor):
        return _open_interval(point, error, stdtrit(freedom, 1 - tail), ceiling)
    share = (point - floor) / (1 - floor)
    if share <= 0 or share >= 1:
        reach = tail ** (1 / (freedom + 1))
        low, high = (reach, 1.0) if share >= 1 else (0.0, 1 - reach)
    else:
        half = stdtrit(freedom, 1 - tail) * error / (1 - floor) / (share * (1 - share))
        low, high = expit(logit(share) + np.array([-half, half]))
    return Interval(float(floor + (1 - floor) * low), float(floor + (1 - floor) * high))


def _open_interval(point: float, error: float, times: float, ceiling: float) -> Interval:
    """``times`` the error to either side, on the scale of a value without a floor."""
    spread = slope(point, -math.inf, ceiling)
    if not spread > 0:  # a perfect score, of which nothing says how far another would fall
        return NOWHERE
    half = times * error / spread
    low, high = from_scale(to_scale(point, -math.inf, ceiling, 0.0) + np.array([-half, half]), -math.inf, ceiling)
    return Interval(float(low), float(high))


def t_p_value(point: float, error: float, freedom: float, floor: float = -1.0, value: float = 0.0) -> float:
    """Two-sided p value of ``value``: the least 1 - level at which t_interval() leaves it out; NaN where unknown."""
    if not (math.isfinite(point) and math.isfinite(error) and freedom > 0):
        return math.nan
    if math.isinf(floor):  # of a difference without limits
        return float(2 * stdtr(freedom, -abs(point - value) / error)) if error > 0 else float(point == value)
    share = (point - floor) / (1 - floor)
    null = (value - floor) / (1 - floor)
    if share <= 0 or share >= 1:
        beyond = null if share >= 1 else 1 - null
        return float(min(1.0, 2 * beyond ** (freedom + 1)))
    distance = abs(logit(share) - logit(null))
    if distance == 0:
        return 1.0
    spread = error / (1 - floor) / (share * (1 - share))
    return float(2 * stdtr(freedom, -distance / spread)) if spread > 0 else 0.0
