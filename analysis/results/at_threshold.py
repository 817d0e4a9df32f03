"""At the threshold that was set beforehand: ROC curves with that point, confusion counts, predictive values.

PPV and NPV are Bayes' rule on sensitivity and specificity at a stated prevalence: that of the test images hardly is
the one of a screening or of another hospital.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.results.operating import Cut, Part, reached
from analysis.results.pooling import POOLS
from analysis.statistics.bootstrap import Resampled, interval

POOL = "maximum"  # a patient's score: that of the image with the highest
CONFUSION = ("counted by", "seed", "TP", "FP", "TN", "FN", "sensitivity", "specificity", "PPV", "NPV")
PREDICTIVE = (
    *("counted by", "prevalence", "stated by", "sensitivity", "specificity"),
    *("PPV", "low", "high", "NPV", "its low", "its high"),
)
OF_TEST, GIVEN = "these test data", "--prevalence"  # who states a prevalence


class RocCurve(NamedTuple):
    """One training on the test images of one vendor."""

    source: str  # vendor trained on
    vendor: str  # scored on
    rate: str  # "chosen" or "full sampling"
    seed: int
    false_positive: np.ndarray  # (n,) share of negatives above the threshold, rising from 0 to 1
    true_positive: np.ndarray  # (n,) share of positives above it
    point: tuple[float, float]  # both at the threshold set beforehand; NaN without one


class Confusion(NamedTuple):
    """How many lie on which side of a threshold."""

    tp: int
    fp: int
    tn: int
    fn: int


def roc_curves(about: dict[str, Any], parts: list[Part], cuts: list[Cut], seeds: list[int]) -> list[RocCurve]:
    """A curve of each training; ``cuts`` may be empty, then no curve has its point."""
    curves = []
    for place, (part, seed) in enumerate(zip(parts, seeds)):
        false_positive, true_positive = roc(part.label, part.score)
        point = (math.nan, math.nan)
        if cuts:
            counts = confusion(part.label, part.score, cuts[place].value)
            point = (counts.fp / (counts.fp + counts.tn), counts.tp / (counts.tp + counts.fn))
        names = (about["trained on"], about["scored on"], about["rate"])
        curves.append(RocCurve(*names, seed, false_positive, true_positive, point))
    return curves


def roc(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) labels of both classes and scores -> shares of negatives and of positives above each threshold.

    Corners only: points on a straight line between two others are left out. Images with equal scores go together.
    """
    order = np.argsort(-score, kind="stable")
    last_of_score = np.append(np.diff(score[order]) != 0, True)
    true = np.append(0, np.cumsum(label[order] == 1)[last_of_score])
    false = np.append(0, np.cumsum(label[order] == 0)[last_of_score])
    turns = np.diff(true)[:-1] * np.diff(false)[1:] != np.diff(true)[1:] * np.diff(false)[:-1]
    corner = np.concatenate([[True], turns, [True]])
    return false[corner] / false[-1], true[corner] / true[-1]


def confusion(label: np.ndarray, score: np.ndarray, cut: float) -> Confusion:
    """An image is called positive when its score is above the cut; a tie with it is negative."""
    called = score > cut
    positive = label == 1
    return Confusion(
        tp=int((called & positive).sum()),
        fp=int((called & ~positive).sum()),
        tn=int((~called & ~positive).sum()),
        fn=int((~called & positive).sum()),
    )


def confusion_rows(
    about: dict[str, Any], unit: str, parts: list[Part], cuts: list[Cut], seeds: list[int]
) -> list[dict[str, Any]]:
    """A row a seed: a mean over seeds would be counts of nothing."""
    rows = []
    for part, cut, seed in zip(parts, cuts, seeds):
        counts = confusion(part.label, part.score, cut.value)
        row = about | {"counted by": unit, "seed": seed}
        row |= {"TP": counts.tp, "FP": counts.fp, "TN": counts.tn, "FN": counts.fn}
        row |= {
            "sensitivity": _share(counts.tp, counts.fn),
            "specificity": _share(counts.tn, counts.fp),
            "PPV": _share(counts.tp, counts.fp),
            "NPV": _share(counts.tn, counts.fn),
        }
        rows.append(row)
    return sorted(rows, key=lambda row: row["seed"])


def _share(part: int, rest: int) -> float:
    return part / (part + rest) if part + rest else math.nan


def predictive_rows(
    about: dict[str, Any], unit: str, parts: list[Part], cuts: list[Cut], prevalence: float | None
) -> list[dict[str, Any]]:
    """A row for the prevalence of the test data, and one for a prevalence that is given."""
    at_cut = reached(parts, cuts)
    stated = {OF_TEST: float(parts[0].label.mean())}
    if prevalence is not None:
        stated[GIVEN] = prevalence
    rows = []
    for by, value in stated.items():
        ppv, npv = predictive_values(at_cut.sensitivity, at_cut.specificity, value)
        ppv_ends = interval(ppv)
        npv_ends = interval(npv)
        row = about | {"counted by": unit, "prevalence": value, "stated by": by}
        row |= {"sensitivity": at_cut.sensitivity.point, "specificity": at_cut.specificity.point}
        row |= {"PPV": ppv.point, "low": ppv_ends.low, "high": ppv_ends.high}
        row |= {"NPV": npv.point, "its low": npv_ends.low, "its high": npv_ends.high}
        rows.append(row)
    return rows


def predictive_values(sensitivity: Resampled, specificity: Resampled, prevalence: float) -> tuple[Resampled, Resampled]:
    """PPV and NPV by Bayes' rule, on the patients and on each draw of them; the prevalence is taken as known."""
    ppv = _bayes(sensitivity, prevalence, specificity, 1 - prevalence)
    npv = _bayes(specificity, 1 - prevalence, sensitivity, prevalence)
    return ppv, npv


def _bayes(right: Resampled, share: float, other: Resampled, other_share: float) -> Resampled:
    """right * share / (right * share + (1 - other) * other_share); NaN where nothing is called so."""
    true = np.append(right.point, right.draws) * share
    false = (1 - np.append(other.point, other.draws)) * other_share
    called = true + false
    value = np.divide(true, called, out=np.full(len(called), math.nan), where=called > 0)
    return Resampled(float(value[0]), value[1:], min(right.patients, other.patients))


def of_patients(images: pd.DataFrame) -> pd.DataFrame:
    """Images of one training -> a row a patient: positive where one image is, with the highest score."""
    groups = images.groupby(["vendor", "split", "patient_id"], sort=True)
    number = groups.ngroup().to_numpy()
    patients = groups.agg(label=("label", "max"), row=("row", "first"), seed=("seed", "first")).reset_index()
    score = images["score"].to_numpy(float)
    return patients.assign(score=POOLS[POOL](score, number, len(patients)))


def why_no_patients(source: str) -> str:
    """One line for a vendor whose patients cannot be counted."""
    return (
        f"{source}: no counts by patient: that takes validation patients of "
        f"{source} without the label, to set a "
        "threshold, and test patients both with it and without it."
    )
