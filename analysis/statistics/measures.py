"""A metric as the analysis uses it: its words, how it is resampled by patient, what is reached without a network.

All that differs from metric to metric stands here. A new metric is an entry in METRICS and one in MEASURES.
"""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.load import Run
from analysis.statistics import baselines
from analysis.statistics.bootstrap import Resampled, TrialDraws, positions, resampled_auc, resampled_mean, win_matrix
from tune_ks.core.domain_words import VENDOR_WORDS, DomainWords, domain_words
from tune_ks.core.metrics import METRICS

FINDINGS = {"volume": "lesion"}  # task -> what an image of label 1 shows, where it is no tumour
OF_RAW = "finding"  # ... of raw k-space, whose boxes mark whatever its table names: a torn meniscus, an oedema
BELOW_CHANCE = 0.1  # a gauge begins this much below chance, to show what is worse than chance


class Yardstick(NamedTuple):
    """What is reached without a network. A choice that is not better gives no evidence that anything was learned."""

    name: str
    interval: str  # by which a choice is compared with it
    table: Callable[[Run], pd.DataFrame]  # columns source (None: any), vendor tested on, baseline, value
    draws: Callable[[Run, pd.DataFrame, str], TrialDraws]  # of the best of the table, for one source vendor


class Measure(NamedTuple):
    """A metric of at most 1; higher is better, so that an error enters as a score (R2, not NRMSE).

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
    floor: float = 0.0  # the least value; -inf where there is none, and then ``resampled`` says so too
    finding: str = "tumour"  # what an image of label 1 shows; "" where labels are no classes, as of maps
    domains: DomainWords = VENDOR_WORDS  # what sentences call the domains of the run

    @property
    def gauge(self) -> float:
        """Where a scale that ends at 1 begins."""
        return max(self.chance - BELOW_CHANCE, self.floor)

    @property
    def scale(self) -> str:
        """The scale of its errors (scale.py), in words."""
        return "logit scale" if math.isfinite(self.floor) else f"scale -log(1 - {self.title})"

    def words(self, text: str) -> str:
        """A text that says "metric", "vendor" (or several), "tumour", "logit scale" -> the same in this run's words."""
        finding = self.finding or "finding"
        text = text.replace("logit scale", self.scale).replace("tumour", finding)
        text = text.replace("Tumour", finding.capitalize())
        return self.domains.of(text.replace("metrics", self.plural).replace("metric", self.title))

    def patient_words(self, text: str) -> str:
        """Words for patients "with a tumour" and "without", as this run says it; bare where labels are no classes."""
        if self.finding:
            return self.domains.of(text.replace("tumour", self.finding))
        return re.sub(r",? \d+ without| with a tumour| of (?:each|a) class", "", text)

    def class_words(self, label: float) -> str:
        """What an image of this label shows; "" where labels are no classes."""
        return f"{self.finding} {'present' if label == 1 else 'absent'}" if self.finding else ""

    def of_counted(self, scores: pd.DataFrame) -> pd.DataFrame:
        """The rows (with label and score) that the draws use."""
        return scores[self.counts(scores["label"].to_numpy(), scores["score"].to_numpy())]

    def of_images(self, images: pd.DataFrame, patients: np.ndarray, weights: np.ndarray) -> Resampled:
        """The metric of ``images`` (label, score, patient_id), and on ``patients`` (P,) resampled by weights (B, P)."""
        label, score, patient = (images[column].to_numpy() for column in ("label", "score", "patient_id"))
        return self.resampled(label, score, patient, patients, weights)


def measure_of(run: Run) -> Measure:
    """The metric of a run, with the words for its domains, and for what an image of label 1 shows."""
    measure = MEASURES[run.metric]._replace(domains=domain_words(run.domain))
    if not measure.finding:
        return measure
    task = next((record.config.task for record in run.records.values()), "")
    usual = OF_RAW if "coils" in run.cohort else measure.finding
    return measure._replace(finding=FINDINGS.get(task, usual))


def _labelled(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    return (label == 0) | (label == 1)


def _labelled_with_score(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    return _labelled(label, score) & ~np.isnan(score)


def _auc(
    label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray, weights: np.ndarray
) -> Resampled:
    return resampled_auc(win_matrix(label, score, patient, patients), weights)


def _mean(
    label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray, weights: np.ndarray
) -> Resampled:
    return resampled_mean(score, np.isfinite(score), positions(patient, patients), weights)


def unbounded_mean(
    label: np.ndarray, score: np.ndarray, patient: np.ndarray, patients: np.ndarray, weights: np.ndarray
) -> Resampled:
    """As the mean of a score that may fall without end (R2), for a measure whose floor is -inf."""
    return replace(_mean(label, score, patient, patients, weights), floor=-math.inf)


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
        resampled=_mean,
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
    "r2": Measure(
        title=METRICS["r2"].title,
        plural="R2 values",
        chance=0.0,  # of the answer that is 0 everywhere
        of_classes=False,
        counts=_labelled,
        resampled=unbounded_mean,
        yardstick=TRIVIAL,
        floor=-math.inf,
        finding="",
        rests_on=(
            "is a mean over images, each counting the same, so a patient weighs as many as it has; the sample size is "
            "the number of patients"
        ),
    ),
}
