"""Sensitivity at a fixed threshold, calibration and subgroups of each choice and of full sampling, on test patients."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from analysis.choice.selection import Selection
from analysis.read.configurations import keys_of_full
from analysis.read.load import Run
from analysis.read.trial_arrays import image_scores
from analysis.results.operating import resampled_share, resampled_thresholds
from analysis.results.subgroups import PATIENTS, subgroups
from analysis.statistics.bootstrap import (
    DRAWS,
    Resampled,
    average,
    interval,
    patient_weights,
    resampled_auc,
    resampled_mean,
    win_matrix,
)
from tune_ks.core.operating_point import threshold

BINS = np.linspace(0, 1, 11)
CHOSEN, FULL = "chosen", "full sampling"  # the two rates that are compared
ABOUT = ["trained on", "scored on", "rate"]
COLUMNS = {  # of each table
    "operating": [*ABOUT, "sensitivity", "low", "high", "specificity", "its low", "its high", "patients", "images"],
    "calibration": [
        *ABOUT,
        *("Brier", "low", "high", "Brier of the prevalence", "prevalence", "mean prediction", "images"),
    ],
    "reliability": [*ABOUT, "from", "to", "predicted", "observed", "low", "high", "images"],
    "subgroups": [
        *("trained on", "scored on", "by", "group", "with tumour", "without", "images"),
        *(f"{rate}{end}" for rate in (CHOSEN, FULL) for end in ("", " low", " high")),
        "note",
    ],
}


class Clinic(NamedTuple):
    """Tables over all source vendors; ``rate`` is "chosen" or "full sampling". Seeds are averaged."""

    operating: pd.DataFrame  # at 90 % specificity on the source vendor's validation, whose patients are drawn too
    calibration: pd.DataFrame
    reliability: pd.DataFrame  # a row a bin of predicted probability; images of all seeds pooled, counts a seed's mean
    subgroups: pd.DataFrame
    absent: list[str]  # what could not be computed, and why


class Part(NamedTuple):
    """One training's scores on one vendor's test images."""

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


Scores = dict[str, list[pd.DataFrame]]  # CHOSEN or FULL -> the labelled images of each training, with their scores


def clinic(run: Run, table: pd.DataFrame, selections: dict[str, Selection]) -> Clinic:
    """The tables of each source vendor's choice and its full sampling, from scores.npz and cohort.csv."""
    rows: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    groups, absent = subgroups(run.cohort)
    for source, selection in selections.items():
        if not selection.keys:
            continue
        scores, lacking = _scores_of_choice(run, table, selection)
        absent += [f"{source}: {why}" for why in lacking]
        for about, parts in _own_vendor_first(scores, source):
            rows["operating"] += _operating(about, scores[about["rate"]], parts)
            rows["calibration"].append(about | _calibration(parts))
            rows["reliability"] += [about | row for row in _reliability(parts)]
        rows["subgroups"] += _subgroups(source, scores, groups)
    return _tables(rows, absent)


def no_clinic() -> Clinic:
    """The empty tables, for a metric that does not separate two classes."""
    return _tables({name: [] for name in COLUMNS}, [])


def _tables(rows: dict[str, list[dict]], absent: list[str]) -> Clinic:
    frames = {name: pd.DataFrame(rows[name], columns=columns) for name, columns in COLUMNS.items()}
    return Clinic(**frames, absent=absent)


def _scores_of_choice(run: Run, table: pd.DataFrame, selection: Selection) -> tuple[Scores, list[str]]:
    """The scores of a choice and of its full sampling, and what is lacking; {} where the choice has no scores."""
    chosen = _scores(run, list(selection.keys))
    if chosen is None:
        return {}, ["its choice has no per-image scores, so none of this can be computed."]
    full = _scores(run, keys_of_full(table, selection.keys))
    if full is None:
        return {CHOSEN: chosen}, ["full sampling has no per-image scores beside it to compare with."]
    return {CHOSEN: chosen, FULL: full}, []


def _scores(run: Run, keys: list[str]) -> list[pd.DataFrame] | None:
    """The labelled images of each training with their scores; None where there is no training, or one has none."""
    trainings = [image_scores(run.root, key, run.cohort) for key in keys]
    if not trainings or any(scores is None for scores in trainings):
        return None
    return [scores[scores["label"].isin([0, 1]) & scores["score"].notna()] for scores in trainings]


def _own_vendor_first(scores: Scores, source: str) -> list[tuple[dict[str, Any], list[Part]]]:
    """The parts of both rates, by vendor scored on: the source vendor, then the others by name."""
    pairs = []
    for rate, trainings in scores.items():
        for vendor, parts in _by_vendor(trainings):
            pairs.append(({"trained on": source, "scored on": vendor, "rate": rate}, parts))
    return sorted(pairs, key=lambda pair: (pair[0]["scored on"] != source, pair[0]["scored on"]))


def _by_vendor(trainings: list[pd.DataFrame]) -> Iterator[tuple[str, list[Part]]]:
    """Each vendor with test images of both classes, and every training's part of them."""
    for vendor in trainings[0]["vendor"].unique():
        images = [_test_images(training, vendor) for training in trainings]
        if all(of_training["label"].nunique() == 2 for of_training in images):
            yield vendor, [_part(of_training, vendor) for of_training in images]


def _test_images(training: pd.DataFrame, vendor: str) -> pd.DataFrame:
    return training[(training["split"] == "test") & (training["vendor"] == vendor)]


def _part(images: pd.DataFrame, *purpose: str) -> Part:
    patient, patients = pd.factorize(images["patient_id"], sort=True)
    return Part(
        label=images["label"].to_numpy(),
        score=images["score"].to_numpy(),
        patient=patient,
        weights=patient_weights(len(patients), DRAWS, *purpose),
        row=images["row"].to_numpy(),
    )


def _ends(value: Resampled, point: str, low: str, high: str) -> dict[str, float]:
    """A value and its interval under these names."""
    ends = interval(value)
    return {point: value.point, low: ends.low, high: ends.high}


def _operating(about: dict[str, Any], trainings: list[pd.DataFrame], parts: list[Part]) -> list[dict[str, Any]]:
    """One row; none where the source vendor's validation has no negative image.

    The threshold is set for each training by itself: scores of two trainings have no common scale.
    """
    sensitive, specific = [], []
    for training, part in zip(trainings, parts):
        val = training[(training["split"] == "val") & (training["vendor"] == about["trained on"])]
        cut = _cut(val[val["label"] == 0], about["trained on"])
        if cut is None:
            return []
        sensitive.append(_share_right(part, cut, positive=True))
        specific.append(_share_right(part, cut, positive=False))
    sensitivity = average(sensitive)
    specificity = average(specific)
    row = about | _ends(sensitivity, "sensitivity", "low", "high")
    row |= _ends(specificity, "specificity", "its low", "its high")
    return [row | {"patients": parts[0].weights.shape[1], "images": len(parts[0].label)}]


def _cut(negatives: pd.DataFrame, source: str) -> Cut | None:
    """The threshold that a training's negative validation images set; None without one."""
    if negatives.empty:
        return None
    score = negatives["score"].to_numpy()
    patient, patients = pd.factorize(negatives["patient_id"], sort=True)
    weights = patient_weights(len(patients), DRAWS, source, "threshold")
    return Cut(threshold(np.zeros(len(score)), score), resampled_thresholds(score, patient, weights), len(patients))


def _share_right(part: Part, cut: Cut, positive: bool) -> Resampled:
    """The share of one class's images that lie on their side of the threshold, which itself is of few patients."""
    of_class = part.label == positive
    score, patient = part.score[of_class], part.patient[of_class]
    share = resampled_share(score, patient, part.weights, cut.value, cut.draws, above=positive)
    return replace(share, patients=min(share.patients, cut.patients))


def _calibration(parts: list[Part]) -> dict[str, Any]:
    """Brier score (Monthly Weather Review 1950) beside that of always predicting the prevalence of the same images."""
    everywhere = np.ones(len(parts[0].label), dtype=bool)
    losses, means = [], []
    for part in parts:
        probability = expit(part.score)
        losses.append(resampled_mean((probability - part.label) ** 2, everywhere, part.patient, part.weights))
        means.append(probability.mean())
    prevalence = float(parts[0].label.mean())
    return _ends(average(losses), "Brier", "low", "high") | {
        "Brier of the prevalence": prevalence * (1 - prevalence),
        "prevalence": prevalence,
        "mean prediction": float(np.mean(means)),
        "images": len(everywhere),
    }


def _reliability(parts: list[Part]) -> list[dict[str, Any]]:
    """Ten bins of predicted probability; all trainings' predictions together, intervals by patient."""
    probability = np.concatenate([expit(part.score) for part in parts])
    label = np.concatenate([part.label for part in parts])
    patient = np.concatenate([part.patient for part in parts])
    bins = np.clip(np.digitize(probability, BINS) - 1, 0, len(BINS) - 2)
    rows = []
    for number in np.unique(bins):
        here = bins == number
        observed = resampled_mean(label.astype(float), here, patient, parts[0].weights)
        row = {"from": BINS[number], "to": BINS[number + 1], "predicted": float(probability[here].mean())}
        row |= _ends(observed, "observed", "low", "high")
        rows.append(row | {"images": float(here.sum() / len(parts))})
    return rows


def _subgroups(source: str, scores: Scores, groups: dict[str, pd.Series]) -> list[dict[str, Any]]:
    """AUC of each group that has enough patients of both classes; the other groups by name, without a number."""
    if not scores:
        return []
    rows = []
    for by, group in groups.items():
        for vendor, parts in _by_vendor(scores[CHOSEN]):
            for name in sorted(group.reindex(parts[0].row).dropna().unique()):
                row = {"trained on": source, "scored on": vendor, "by": by, "group": name}
                rows.append(row | _group(scores, vendor, group == name))
    return rows


def _group(scores: Scores, vendor: str, inside: pd.Series) -> dict[str, Any]:
    """The numbers of one group; ``inside``: row of cohort.csv -> whether the image belongs to it."""
    values: dict[str, Any] = {}
    for rate, trainings in scores.items():
        tested = [_test_images(training, vendor) for training in trainings]
        images = [of_training[inside.reindex(of_training["row"]).to_numpy(bool)] for of_training in tested]
        first = images[0]
        patients = [first.loc[first["label"] == label, "patient_id"].nunique() for label in (1, 0)]
        values |= {"with tumour": patients[0], "without": patients[1], "images": len(first)}
        if min(patients) < PATIENTS:
            return values | {"note": "too few patients"}
        aucs = [_auc(_part(of_training, vendor, "subgroup")) for of_training in images]
        values |= _ends(average(aucs), rate, f"{rate} low", f"{rate} high")
    return values | {"note": None}


def _auc(part: Part) -> Resampled:
    patients = np.arange(part.weights.shape[1])
    return resampled_auc(win_matrix(part.label, part.score, part.patient, patients), part.weights)
