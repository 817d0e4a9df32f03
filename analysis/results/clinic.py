"""Sensitivity at a fixed threshold, calibration and subgroups of each choice and of full sampling, on test patients."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.choice.selection import Selection
from analysis.read.configurations import keys_of_full
from analysis.read.load import Run
from analysis.read.trial_arrays import image_scores
from analysis.results.at_threshold import (
    CONFUSION,
    PREDICTIVE,
    RocCurve,
    confusion_rows,
    of_patients,
    predictive_rows,
    roc_curves,
    why_no_patients,
)
from analysis.results.operating import Cut, Part, cuts_of, part_of, reached
from analysis.results.reliability import reliability_rows
from analysis.results.subgroups import PATIENTS, subgroups
from analysis.statistics.bootstrap import (
    Resampled,
    average,
    interval,
    resampled_auc,
    resampled_mean,
    win_matrix,
)
from analysis.statistics.special import expit
from tune_ks.core.domains import is_source

CHOSEN, FULL = "chosen", "full sampling"  # the two rates that are compared
ABOUT = ["trained on", "scored on", "rate"]
COLUMNS = {  # of each table
    "operating": [*ABOUT, "sensitivity", "low", "high", "specificity", "its low", "its high", "patients", "images"],
    "calibration": [
        *ABOUT,
        *("Brier", "low", "high", "Brier of the prevalence", "prevalence", "mean prediction", "images"),
    ],
    "reliability": [*ABOUT, "from", "to", "predicted", "observed", "low", "high", "images", "with tumour"],
    "confusion": [*ABOUT, *CONFUSION],
    "predictive": [*ABOUT, *PREDICTIVE],
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
    confusion: pd.DataFrame  # counts at the threshold, a row a seed: of images, and of patients where that is defined
    predictive: pd.DataFrame  # PPV and NPV of the seeds' mean sensitivity and specificity, a row a prevalence
    subgroups: pd.DataFrame
    absent: list[str]  # what could not be computed, and why
    roc: list[RocCurve]  # one of each seed, vendor scored on and rate


Scores = dict[str, list[pd.DataFrame]]  # CHOSEN or FULL -> the labelled images of each training, with their scores


def clinic(run: Run, table: pd.DataFrame, selections: dict[str, Selection], prevalence: float | None = None) -> Clinic:
    """The tables of each source vendor's choice and its full sampling, from scores.npz and cohort.csv.

    ``prevalence``: a further one for which PPV and NPV are given, beside that of the test images themselves.
    """
    rows: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    curves: list[RocCurve] = []
    groups, absent = subgroups(run.cohort)
    for source, selection in selections.items():
        if not selection.keys:
            continue
        scores, lacking = _scores_of_choice(run, table, selection)
        absent += [f"{source}: {why}" for why in lacking]
        cuts = {rate: cuts_of(trainings, source) for rate, trainings in scores.items()}
        for about, parts in _own_vendor_first(scores, source):
            rows["calibration"].append(about | _calibration(parts))
            rows["reliability"] += [about | row for row in reliability_rows(parts)]
            seeds = _seeds(scores[about["rate"]])
            of_rate = cuts[about["rate"]]
            curves += roc_curves(about, parts, of_rate, seeds)
            if of_rate:
                rows["operating"].append(_operating(about, parts, of_rate))
                rows["confusion"] += confusion_rows(about, "image", parts, of_rate, seeds)
                rows["predictive"] += predictive_rows(about, "image", parts, of_rate, prevalence)
        absent += _add_patients(rows, scores, source, prevalence)
        rows["subgroups"] += _subgroups(source, scores, groups)
    return _tables(rows, absent, curves)


def _add_patients(rows: dict[str, list[dict]], scores: Scores, source: str, prevalence: float | None) -> list[str]:
    """Add the counts and predictive values of patients, where there are patients of both kinds; why there are none."""
    pooled = {rate: [of_patients(training) for training in trainings] for rate, trainings in scores.items()}
    added = False
    for about, parts in _own_vendor_first(pooled, source):
        trainings = pooled[about["rate"]]
        cuts = cuts_of(trainings, source)
        if cuts:
            rows["confusion"] += confusion_rows(about, "patient", parts, cuts, _seeds(trainings))
            rows["predictive"] += predictive_rows(about, "patient", parts, cuts, prevalence)
            added = True
    return [] if added or not pooled else [why_no_patients(source)]


def _seeds(trainings: list[pd.DataFrame]) -> list[int]:
    return [int(training["seed"].iloc[0]) for training in trainings]


def no_clinic() -> Clinic:
    """The empty tables, for a metric that does not separate two classes."""
    return _tables({name: [] for name in COLUMNS}, [], [])


def roc_of(clinic: Clinic, source: str, vendor: str) -> list[RocCurve]:
    """The curves of one vendor trained on and one scored on."""
    return [curve for curve in clinic.roc if (curve.source, curve.vendor) == (source, vendor)]


def _tables(rows: dict[str, list[dict]], absent: list[str], curves: list[RocCurve]) -> Clinic:
    frames = {name: pd.DataFrame(rows[name], columns=columns) for name, columns in COLUMNS.items()}
    return Clinic(**frames, absent=absent, roc=curves)


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
    trainings = []
    for key in keys:
        scores = image_scores(run.root, key, run.cohort)
        if scores is None:
            return None
        labelled = scores[scores["label"].isin([0, 1]) & scores["score"].notna()]
        trainings.append(labelled.assign(seed=run.records[key].config.seed))
    return trainings or None


def _own_vendor_first(scores: Scores, source: str) -> list[tuple[dict[str, Any], list[Part]]]:
    """The parts of both rates, by vendor scored on: the source vendor, then the others by name."""
    pairs = []
    for rate, trainings in scores.items():
        for vendor, parts in _by_vendor(trainings):
            pairs.append(({"trained on": source, "scored on": vendor, "rate": rate}, parts))
    return sorted(pairs, key=lambda pair: (not is_source(pair[0]["scored on"], source), pair[0]["scored on"]))


def _by_vendor(trainings: list[pd.DataFrame]) -> Iterator[tuple[str, list[Part]]]:
    """Each vendor with test images of both classes, and every training's part of them."""
    for vendor in trainings[0]["vendor"].unique():
        images = [_test_images(training, vendor) for training in trainings]
        if all(of_training["label"].nunique() == 2 for of_training in images):
            yield vendor, [part_of(of_training, vendor) for of_training in images]


def _test_images(training: pd.DataFrame, vendor: str) -> pd.DataFrame:
    return training[(training["split"] == "test") & (training["vendor"] == vendor)]


def _ends(value: Resampled, point: str, low: str, high: str) -> dict[str, float]:
    """A value and its interval under these names."""
    ends = interval(value)
    return {point: value.point, low: ends.low, high: ends.high}


def _operating(about: dict[str, Any], parts: list[Part], cuts: list[Cut]) -> dict[str, Any]:
    """Sensitivity and specificity at the threshold, seeds averaged."""
    at_cut = reached(parts, cuts)
    row = about | _ends(at_cut.sensitivity, "sensitivity", "low", "high")
    row |= _ends(at_cut.specificity, "specificity", "its low", "its high")
    return row | {"patients": parts[0].weights.shape[1], "images": len(parts[0].label)}


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


def _subgroups(source: str, scores: Scores, groups: dict[str, pd.Series]) -> list[dict[str, Any]]:
    """AUC of each group that has enough patients of both classes; the other groups by name, without a number."""
    if not scores:
        return []
    row_of = {vendor: parts[0].row for vendor, parts in _by_vendor(scores[CHOSEN])}
    tested = {vendor: _tested(scores, vendor) for vendor in row_of}
    rows = []
    for by, group in groups.items():
        for vendor in row_of:
            for name in sorted(group.reindex(row_of[vendor]).dropna().unique()):
                row = {"trained on": source, "scored on": vendor, "by": by, "group": name}
                rows.append(row | _group(tested[vendor], vendor, group == name))
    return rows


def _tested(scores: Scores, vendor: str) -> Scores:
    """The test images of one vendor."""
    return {rate: [_test_images(training, vendor) for training in trainings] for rate, trainings in scores.items()}


def _group(tested: Scores, vendor: str, inside: pd.Series) -> dict[str, Any]:
    """The numbers of one group; ``inside``: row of cohort.csv -> whether the image belongs to it."""
    values: dict[str, Any] = {}
    for rate, trainings in tested.items():
        images = [of_training[inside.reindex(of_training["row"]).to_numpy(bool)] for of_training in trainings]
        first = images[0]
        patients = [first.loc[first["label"] == label, "patient_id"].nunique() for label in (1, 0)]
        values |= {"with tumour": patients[0], "without": patients[1], "images": len(first)}
        if min(patients) < PATIENTS:
            return values | {"note": "too few patients"}
        aucs = [_auc(part_of(of_training, vendor, "subgroup")) for of_training in images]
        values |= _ends(average(aucs), rate, f"{rate} low", f"{rate} high")
    return values | {"note": None}


def _auc(part: Part) -> Resampled:
    patients = np.arange(part.weights.shape[1])
    return resampled_auc(win_matrix(part.label, part.score, part.patient, patients), part.weights)
