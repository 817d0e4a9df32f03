"""A metric as the analysis uses it: its words, how it is resampled by patient, what is reached without a network.

All that differs from metric to metric stands here. A new metric is an entry in METRICS and one in MEASURES.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.load import Run
from analysis.statistics import baselines
from analysis.statistics.bootstrap import Resampled, TrialDraws, positions, resampled_auc, resampled_mean, win_matrix
from tune_ks.core.metrics import METRICS

BELOW_CHANCE = 0.1  # a gauge begins this much below chance, to show what is worse than chance


class Yardstick(NamedTuple):
    """What is reached without a network. A choice that is not better gives no evidence that anything was learned."""

    name: str
    interval: str  # by which a choice is compared with it
    table: Callable[[Run], pd.DataFrame]  # columns source (None: any), vendor tested on, baseline, value
    draws: Callable[[Run, pd.DataFrame, str], TrialDraws]  # of the best of the table, for one source vendor


class Measure(NamedTuple):
    """A metric in [0, 1]; higher is better.

    ``resampled`` takes label, score, patient (n,), the patients (P,) in an order, and (B, P) weights of them.
    """

    title: str
    plural: str
    chance: float  # value of an answer without knowledge; hypervolume counts from here
    of_classes: bool  # scores separate two classes, so that thresholds, calibration and DeLong have a meaning
    counts: Callable[[np.ndarray, np.ndarray], np.ndarray]  # label and score (n,) -> True for those that draws use
    resampled: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], Resampled]
    yardstick: Yardstick
    rests_on: str = ""  # of a metric without classes: what it is over, and whose number is an interval's sample size

    @property
    def gauge(self) -> float:
        """Where a scale that ends at 1 begins."""
        return max(self.chance - BELOW_CHANCE, 0.0)

    def words(self, text: str) -> str:
        """A text that says "metric" and "metrics" -> the same text with this metric's name."""
        return text.replace("metrics", self.plural).replace("metric", self.title)

    def of_counted(self, scores: pd.DataFrame) -> pd.DataFrame:
        """The rows (with label and score) that the draws use."""
        return scores[self.counts(scores["label"].to_numpy(), scores["score"].to_numpy())]


def _labelled(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    return (label == 0) | (label == 1)


def _labelled_with_score(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    return _labelled(label, score) & ~np.isnan(score)


def _auc(
    label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray, weights: np.ndarray
) -> Resampled:
    return resampled_auc(win_matrix(label, score, patient, patients), weights)


def _dice(
    label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray, weights: np.ndarray
) -> Resampled:
    return resampled_mean(score, np.isfinite(score), positions(patient, patients), weights)


TRIVIAL = Yardstick(
    name="answer that ignores the image",
    interval="interval",
    table=baselines.trivial_table,
    draws=baselines.trivial_draws,
)
MEASURES = {  # a key of METRICS -> its measure
    "auc": Measure(
        title=METRICS["auc"].title,
        plural="AUCs",
        chance=0.5,
        of_classes=True,
        counts=_labelled_with_score,
        resampled=_auc,
        yardstick=Yardstick(
            name="best one-number baseline",
            interval="paired interval",
            table=baselines.one_number,
            draws=baselines.best_draws,
        ),
    ),
    "dice": Measure(
        title=METRICS["dice"].title,
        plural="Dice values",
        chance=0.0,
        of_classes=False,
        counts=_labelled,  # an image without a tumour has no Dice value, but its patient is drawn like any other
        resampled=_dice,
        yardstick=TRIVIAL,
        rests_on=(
            "is a mean over the images that have a tumour, each counting the same, so a patient weighs as many as it "
            "has; the sample size is the number of patients that have such an image"
        ),
    ),
    "lroc": Measure(
        title=METRICS["lroc"].title,
        plural="LROC areas",
        chance=0.0,  # of answers at the wrong place; that of the best fixed position is in the records
        of_classes=False,  # a score of MISSED is no logit: no threshold, no probability, no error after DeLong
        counts=_labelled_with_score,
        resampled=_auc,
        yardstick=TRIVIAL,
        rests_on=(
            "is over the pairs of an image with a tumour and one without; the sample size is the number of patients of "
            "the scarcer class"
        ),
    ),
}
