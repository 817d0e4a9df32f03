"""A metric as the analysis uses it: its words, how it is resampled by patient, what needs no network to reach.

All that differs from metric to metric stands here; a new one is an entry in METRICS and one in MEASURES.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.load import Run
from analysis.statistics import baselines, trivial
from analysis.statistics.bootstrap import Resampled, TrialDraws, positions, resampled_auc, resampled_mean, win_matrix
from tune_ks.core.metrics import METRICS

BELOW_CHANCE = 0.1  # where a gauge begins, for what is worse than chance


class Yardstick(NamedTuple):
    """What is reached without a network: a choice that is not above it has shown nothing to be learned."""

    name: str
    interval: str  # by which a choice is compared with it
    table: Callable[[Run], pd.DataFrame]  # a row each: source (None: of any), vendor tested on, baseline, value
    draws: Callable[[Run, pd.DataFrame, str], TrialDraws]  # of the best of the table, for one source vendor


class Measure(NamedTuple):
    """One metric in [0, 1], more is better.

    ``resampled`` takes label, score, patient (n,), the patients (P,) in an order, and (B, P) weights of them.
    """

    title: str
    plural: str
    chance: float  # of an answer that knows nothing; hypervolume counts from here
    of_classes: bool  # of scores that tell images with a tumour from those without: thresholds, calibration, DeLong ...
    counts: Callable[[pd.DataFrame], pd.Series]  # of rows with label and score: which ones its draws take in
    resampled: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], Resampled]
    yardstick: Yardstick

    @property
    def gauge(self) -> float:
        """Where a scale that ends at 1 begins."""
        return max(self.chance - BELOW_CHANCE, 0.0)

    def words(self, text: str) -> str:
        """A text of the analysis that says "metric" and "metrics", in this one's words."""
        return text.replace("metrics", self.plural).replace("metric", self.title)


def _labelled(images: pd.DataFrame) -> pd.Series:
    return images["label"].isin([0, 1])


def _auc(
    label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray, weights: np.ndarray
) -> Resampled:
    return resampled_auc(win_matrix(label, score, patient, patients), weights)


def _dice(
    label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray, weights: np.ndarray
) -> Resampled:
    return resampled_mean(score, np.isfinite(score), positions(patient, patients), weights)


MEASURES = {  # a key of METRICS -> its measure
    "auc": Measure(
        title=METRICS["auc"].title,
        plural="AUCs",
        chance=0.5,
        of_classes=True,
        counts=lambda images: _labelled(images) & images["score"].notna(),
        resampled=_auc,
        yardstick=Yardstick("best one-number baseline", "paired interval", baselines.one_number, baselines.best_draws),
    ),
    "dice": Measure(
        title=METRICS["dice"].title,
        plural="Dice values",
        chance=0.0,
        of_classes=False,
        counts=_labelled,  # an image without a tumour has no Dice value, but its patient is drawn like any other
        resampled=_dice,
        yardstick=Yardstick("answer that ignores the image", "interval", trivial.table, trivial.draws),
    ),
}
