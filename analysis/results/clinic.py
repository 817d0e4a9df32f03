"""What a clinician asks of each choice, beside full sampling, on test patients: sensitivity, calibration, subgroups."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from analysis.choice.selection import Selection
from analysis.read.configurations import keys_of_full
from analysis.read.load import Run
from analysis.read.trial_arrays import image_scores
from analysis.results.operating import threshold
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

BINS = np.linspace(0, 1, 11)
WHICH = ("chosen", "full sampling")
ABOUT = ["trained on", "scored on", "rate"]
OPERATING = [*ABOUT, "sensitivity", "low", "high", "specificity", "its low", "its high", "patients", "images"]
CALIBRATION = [*ABOUT, "Brier", "low", "high", "Brier of the prevalence", "prevalence", "mean prediction", "images"]
RELIABILITY = [*ABOUT, "from", "to", "predicted", "observed", "low", "high", "images"]
SUBGROUPS = ["trained on", "scored on", "by", "group", "with tumour", "without", "images"]
SUBGROUPS += [f"{which}{end}" for which in WHICH for end in ("", " low", " high")] + ["note"]


class Clinic(NamedTuple):
    """Tables over all source vendors; ``rate`` is "chosen" or "full sampling". Seeds are averaged."""

    operating: pd.DataFrame  # at 90 % specificity on the source vendor's validation
    calibration: pd.DataFrame
    reliability: pd.DataFrame  # a row a bin of predicted probability; images of all seeds pooled, counts a seed's mean
    subgroups: pd.DataFrame
    absent: list[str]  # what could not be computed, and why


def clinic(run: Run, table: pd.DataFrame, selections: dict[str, Selection]) -> Clinic:
    """Of each source vendor's choice and its full sampling. All from scores.npz and cohort.csv."""
    found: dict[str, list] = {name: [] for name in ("operating", "calibration", "reliability", "subgroups")}
    groups, absent = subgroups(run.cohort)
    for source, selection in selections.items():
        if not selection.keys:
            continue
        full = keys_of_full(table, selection.keys)
        wanted = {"chosen": list(selection.keys)} | ({"full sampling": full} if full else {})
        scores = {which: _scores(run, keys) for which, keys in wanted.items()}
        if scores["chosen"] is None:
            absent.append(f"{source}: its choice has no per-image scores, so none of this can be computed.")
            continue
        if scores.get("full sampling") is None:
            scores.pop("full sampling", None)
            absent.append(f"{source}: full sampling has no per-image scores beside it to compare with.")
        rows = [row for which, trainings in scores.items() for row in _by_vendor(trainings, source, which)]
        for about, parts in sorted(rows, key=lambda row: (row[0]["scored on"] != source, row[0]["scored on"])):
            found["operating"] += _operating(about, scores[about["rate"]], parts)
            found["calibration"].append(about | _calibration(parts))
            found["reliability"] += [about | row for row in _reliability(parts)]
        found["subgroups"] += _subgroups(source, scores, groups)
    return _tables(found, absent)


def no_clinic() -> Clinic:
    """Of a metric that tells no two classes apart: nothing of this can be asked."""
    return _tables({}, [])


def _tables(found: dict[str, list], absent: list[str]) -> Clinic:
    columns = {"operating": OPERATING, "calibration": CALIBRATION, "reliability": RELIABILITY, "subgroups": SUBGROUPS}
    return Clinic(*(pd.DataFrame(found.get(name, []), columns=columns[name]) for name in columns), absent)


class Part(NamedTuple):
    """One training's scores on one vendor's test images."""

    label: np.ndarray
    score: np.ndarray  # a logit
    patient: np.ndarray  # counted from 0
    weights: np.ndarray  # (B, P), the same for all trainings on that vendor
    row: np.ndarray  # of cohort.csv


def _scores(run: Run, keys: list[str]) -> list[pd.DataFrame] | None:
    found = [image_scores(run.root, key, run.cohort) for key in keys]
    if not found or any(scores is None for scores in found):
        return None
    return [scores[scores["label"].isin([0, 1]) & scores["score"].notna()] for scores in found]


def _by_vendor(trainings: list[pd.DataFrame], source: str, which: str) -> Iterator[tuple[dict[str, Any], list[Part]]]:
    """What a row is about, and each training's part, for every vendor with test images of both classes."""
    for vendor in trainings[0]["vendor"].unique():
        parts = [t[(t["split"] == "test") & (t["vendor"] == vendor)] for t in trainings]
        if all(part["label"].nunique() == 2 for part in parts):
            about = {"trained on": source, "scored on": vendor, "rate": which}
            yield about, [_part(part, vendor) for part in parts]


def _part(scores: pd.DataFrame, *purpose: str) -> Part:
    patient, patients = pd.factorize(scores["patient_id"], sort=True)
    weights = patient_weights(len(patients), DRAWS, *purpose)
    columns = (scores[name].to_numpy() for name in ("label", "score"))
    return Part(*columns, patient, weights, scores["row"].to_numpy())


def _ends(found: Resampled, *names: str) -> dict[str, float]:
    return dict(zip(names, (found.point, *interval(found))))


def _operating(about: dict[str, Any], trainings: list[pd.DataFrame], parts: list[Part]) -> list[dict[str, Any]]:
    """Each training's own threshold: scores of two trainings have no common scale."""
    own = [t[(t["split"] == "val") & (t["vendor"] == about["trained on"])] for t in trainings]
    if any((val["label"] == 0).sum() == 0 for val in own):
        return []
    cuts = [threshold(val["label"].to_numpy(), val["score"].to_numpy()) for val in own]
    each = [
        [
            resampled_mean((p.score > cut) == positive, p.label == positive, p.patient, p.weights)
            for p, cut in zip(parts, cuts)
        ]
        for positive in (True, False)
    ]
    sensitivity, specificity = (average(found) for found in each)
    counts = {"patients": parts[0].weights.shape[1], "images": len(parts[0].label)}
    named = _ends(sensitivity, "sensitivity", "low", "high") | _ends(specificity, "specificity", "its low", "its high")
    return [about | named | counts]


def _calibration(parts: list[Part]) -> dict[str, Any]:
    """Brier score (Monthly Weather Review 1950) beside that of always predicting these very images' prevalence."""
    everywhere = np.ones(len(parts[0].label), dtype=bool)
    losses = [resampled_mean((expit(p.score) - p.label) ** 2, everywhere, p.patient, p.weights) for p in parts]
    prevalence = float(parts[0].label.mean())
    return _ends(average(losses), "Brier", "low", "high") | {
        "Brier of the prevalence": prevalence * (1 - prevalence),
        "prevalence": prevalence,
        "mean prediction": float(np.mean([expit(p.score).mean() for p in parts])),
        "images": len(everywhere),
    }


def _reliability(parts: list[Part]) -> list[dict[str, Any]]:
    """Ten bins of predicted probability; all trainings' predictions together, intervals by patient."""
    probability = np.concatenate([expit(p.score) for p in parts])
    label, patient = (np.concatenate([getattr(p, name) for p in parts]) for name in ("label", "patient"))
    bins = np.clip(np.digitize(probability, BINS) - 1, 0, len(BINS) - 2)
    rows = []
    for number in np.unique(bins):
        here = bins == number
        found = resampled_mean(label.astype(float), here, patient, parts[0].weights)
        row = {"from": BINS[number], "to": BINS[number + 1], "predicted": float(probability[here].mean())}
        rows.append(row | _ends(found, "observed", "low", "high") | {"images": float(here.sum() / len(parts))})
    return rows


def _subgroups(
    source: str, scores: dict[str, list[pd.DataFrame]], groups: dict[str, pd.Series]
) -> list[dict[str, Any]]:
    """AUC of each group that both classes have enough patients in; the others by name, without a number."""
    rows = []
    for what, group in groups.items():
        for about, parts in _by_vendor(scores["chosen"], source, "chosen"):
            names = group.reindex(parts[0].row)
            for name in sorted(names.dropna().unique()):
                row = {"trained on": source, "scored on": about["scored on"], "by": what, "group": name}
                rows.append(row | _group(scores, about["scored on"], lambda r, n=name, g=group: g.reindex(r) == n))
    return rows


def _group(
    scores: dict[str, list[pd.DataFrame]], vendor: str, inside: Callable[[np.ndarray], pd.Series]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for which, trainings in scores.items():
        parts = [t[(t["split"] == "test") & (t["vendor"] == vendor)] for t in trainings]
        parts = [part[inside(part["row"]).to_numpy()] for part in parts]
        of_class = [parts[0].loc[parts[0]["label"] == value, "patient_id"].nunique() for value in (1, 0)]
        values |= {"with tumour": of_class[0], "without": of_class[1], "images": len(parts[0])}
        if min(of_class) < PATIENTS:
            return values | {"note": "too few patients"}
        each = [_part(part, vendor, "subgroup") for part in parts]
        aucs = [
            resampled_auc(win_matrix(p.label, p.score, p.patient, np.arange(p.weights.shape[1])), p.weights)
            for p in each
        ]
        values |= _ends(average(aucs), which, f"{which} low", f"{which} high")
    return values | {"note": None}
