"""The threshold of a fixed specificity: set on one vendor's validation patients, then applied to other patients.

Where it was set it gives the wanted specificity. Elsewhere both sensitivity and specificity are computed: a shift of
all scores between vendors, which an AUC does not show, appears as a specificity that is not the wanted one.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics.bootstrap import DRAWS, Resampled, average, patient_weights
from tune_ks.core.domains import sources_of
from tune_ks.core.operating_point import SPECIFICITY, threshold


class Part(NamedTuple):
    """One training's scores on one vendor's test images, or on its test patients."""

    label: np.ndarray
    score: np.ndarray  # a logit
    patient: np.ndarray  # counted from 0
    weights: np.ndarray  # (B, P), the same for all trainings on that vendor
    row: np.ndarray  # of cohort.csv


class Cut(NamedTuple):
    """A threshold, and its values on resampled patients of those who set it."""

    value: float
    draws: np.ndarray  # (B,)
    patients: int


class Reached(NamedTuple):
    """What a threshold that was set elsewhere gives on test patients, seeds averaged."""

    sensitivity: Resampled
    specificity: Resampled


def part_of(images: pd.DataFrame, *purpose: str) -> Part:
    """Scored images as a Part; ``purpose`` names the draws of their patients."""
    patient, patients = pd.factorize(images["patient_id"], sort=True)
    return Part(
        label=images["label"].to_numpy(),
        score=images["score"].to_numpy(),
        patient=patient,
        weights=patient_weights(len(patients), DRAWS, *purpose),
        row=images["row"].to_numpy(),
    )


def cuts_of(trainings: list[pd.DataFrame], source: str) -> list[Cut]:
    """The threshold of each training by itself, as scores of two trainings have no common scale.

    [] where the source vendor's validation has no negative for one of them.
    """
    cuts = []
    for training in trainings:
        val = training[(training["split"] == "val") & training["vendor"].isin(sources_of(source))]
        cut = _cut(val[val["label"] == 0], source)
        if cut is None:
            return []
        cuts.append(cut)
    return cuts


def _cut(negatives: pd.DataFrame, source: str) -> Cut | None:
    """The threshold that a training's negative validation images set; None without one."""
    if negatives.empty:
        return None
    score = negatives["score"].to_numpy()
    patient, patients = pd.factorize(negatives["patient_id"], sort=True)
    weights = patient_weights(len(patients), DRAWS, source, "threshold")
    return Cut(threshold(np.zeros(len(score)), score), resampled_thresholds(score, patient, weights), len(patients))


def reached(parts: list[Part], cuts: list[Cut]) -> Reached:
    """Sensitivity and specificity of the parts, each at its own threshold, averaged over them."""
    sensitive, specific = [], []
    for part, cut in zip(parts, cuts):
        sensitive.append(_share_right(part, cut, positive=True))
        specific.append(_share_right(part, cut, positive=False))
    return Reached(average(sensitive), average(specific))


def _share_right(part: Part, cut: Cut, positive: bool) -> Resampled:
    """The share of one class's images that lie on their side of the threshold, which itself is of few patients."""
    of_class = part.label == positive
    score, patient = part.score[of_class], part.patient[of_class]
    share = resampled_share(score, patient, part.weights, cut.value, cut.draws, above=positive)
    return replace(share, patients=min(share.patients, cut.patients))


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
    is_beyond = np.cumsum(times, axis=1) > allowed[:, None]
    place = is_beyond.argmax(axis=1)  # the highest score that is not allowed above the cut
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
