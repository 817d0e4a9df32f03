"""AUC of patients, and of breasts, beside that of images: the scores of a unit's images pooled to one.

A unit is positive where one of its images is. The AUC of units exists only where there are units without the label; in
Duke every patient has a tumour, so that finding the slice is all that can be measured there. Attention pooling, which
would have to be trained (MONAI's MILModel), is left out: no task of this program trains on the label of a patient.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.configurations import FULL, keys_of_full
from analysis.read.external_scores import external_scores
from analysis.read.trial_arrays import image_scores
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.pooling import POOLS
from analysis.statistics.bootstrap import DRAWS, Resampled, patient_weights, resampled_auc, win_matrix
from analysis.statistics.estimate import estimate
from tune_ks.core.rate_words import rate_words

COLUMNS = (
    *("trained on", "tested on", "unit", "pooled by", "rate", "seeds", "with", "without"),
    *("AUC", "low", "high", "minus full", "its low", "its high", "AUC of images"),
)
IMAGES = "images"  # the unit of the scores as they are
Scores = Callable[[str], pd.DataFrame | None]  # key -> vendor, patient_id, label, score and, where known, breast


class Units(NamedTuple):
    """The images of one vendor, by unit."""

    number: np.ndarray  # (n,) of each image: which unit it belongs to
    label: np.ndarray  # (U,) 1 where one image of the unit is positive
    patient: np.ndarray  # (U,) whose unit it is


class Where(NamedTuple):
    """What one AUC is of."""

    vendor: str  # scored on
    unit: str  # patient or breast
    pool: str  # how the scores of a unit's images become one; IMAGES: they do not
    positive: int  # units with the label
    negative: int


Aucs = dict[Where, Resampled]  # of one training, on resampled patients


class PatientLevel(NamedTuple):
    """The table, and a sentence for each vendor and unit for which no AUC is defined."""

    table: pd.DataFrame  # COLUMNS; empty where nothing is defined
    notes: list[str]


class Compared(NamedTuple):
    """The trainings of a chosen rate, or of full sampling, and the vendor that they were trained on."""

    vendor: str
    rate: float
    keys: list[str]
    full: list[str]  # the trainings at full sampling, to be compared with; [] for full sampling itself


def patient_level(analysis: Analysis) -> PatientLevel:
    """On the test patients of the run, for each chosen rate and full sampling."""

    def scores_of(key: str) -> pd.DataFrame | None:
        scores = image_scores(analysis.run.root, key, analysis.run.cohort)
        if scores is None:
            return None
        if "breast" in analysis.run.cohort:
            scores["breast"] = analysis.run.cohort.loc[scores["row"], "breast"].to_numpy()
        return scores[scores["split"] == "test"]

    return _levels(analysis, scores_of, "")


def external_level(analysis: Analysis, cohort: str) -> PatientLevel:
    """On all patients of another cohort, as ``run_search.py evaluate`` scored them."""
    scores = external_scores(analysis.run.root, cohort)
    by_key = {} if scores is None else {str(key): of_key for key, of_key in scores.groupby("key")}
    return _levels(analysis, by_key.get, cohort)


def _levels(analysis: Analysis, scores_of: Scores, purpose: str) -> PatientLevel:
    """``purpose`` sets the draws of patients of one cohort apart from those of another."""
    rows: list[dict] = []
    notes: dict[str, None] = {}  # without repetition, in order
    if not analysis.measure.of_classes:
        return PatientLevel(pd.DataFrame(columns=COLUMNS), [])
    for computed in analysis.vendors.values():
        pair = _compared(analysis, computed)
        known: dict[str, Aucs] = {}  # by key
        for key in [key for compared in pair for key in compared.keys]:
            scores = scores_of(key)
            if scores is not None:
                known[key], undefined = _resampled(scores.dropna(subset="label"), purpose)
                notes |= dict.fromkeys(undefined)
        for compared in pair:
            rows += _rows(compared, known)
    return PatientLevel(pd.DataFrame(rows, columns=COLUMNS), list(notes))


def _compared(analysis: Analysis, computed: VendorAnalysis) -> list[Compared]:
    """The chosen rate and full sampling of one vendor, those of them that there are."""
    selection = computed.selection
    full = list(keys_of_full(analysis.configurations, selection.keys))
    pair = []
    if selection.keys and set(selection.keys) != set(full):
        pair.append(Compared(computed.vendor, selection.rate, list(selection.keys), full))
    if full:
        pair.append(Compared(computed.vendor, 1.0, full, []))
    return pair


def _resampled(scores: pd.DataFrame, purpose: str) -> tuple[Aucs, list[str]]:
    """The AUCs of one training that are defined, and why others are not."""
    aucs: Aucs = {}
    undefined = []
    for vendor, images in scores.groupby("vendor"):
        patients = np.unique(images["patient_id"])
        weights = patient_weights(len(patients), DRAWS, *filter(None, (purpose, str(vendor))))
        score = images["score"].to_numpy(float)
        for name, units in _units_of(images).items():
            positive = int(units.label.sum())
            negative = len(units.label) - positive
            if not positive or not negative:
                undefined.append(_why_not(str(vendor), name, positive, negative))
                continue
            where = Where(str(vendor), name, IMAGES, positive, negative)
            of_images = win_matrix(images["label"].to_numpy(), score, images["patient_id"].to_numpy(), patients)
            aucs[where] = resampled_auc(of_images, weights)
            for pool_name, pool in POOLS.items():
                pooled = pool(score, units.number, len(units.label))
                of_units = win_matrix(units.label, pooled, units.patient, patients)
                aucs[where._replace(pool=pool_name)] = resampled_auc(of_units, weights)
    return aucs, undefined


def _units_of(images: pd.DataFrame) -> dict[str, Units]:
    """Patients, and breasts where every image says which one it shows."""
    named = {"patient": images["patient_id"].astype(str)}
    if "breast" in images and images["breast"].notna().all() and (images["breast"].astype(str) != "").all():
        named["breast"] = images["patient_id"].astype(str) + "\n" + images["breast"].astype(str)
    units = {}
    for name, of_image in named.items():
        names, first, number = np.unique(of_image.to_numpy(str), return_index=True, return_inverse=True)
        label = np.zeros(len(names), int)
        np.maximum.at(label, number, images["label"].to_numpy(int))
        units[name] = Units(number, label, images["patient_id"].to_numpy()[first])
    return units


def _why_not(vendor: str, unit: str, positive: int, negative: int) -> str:
    plural = {"patient": "patients", "breast": "breasts"}[unit]
    has = "has" if positive else "lacks"
    count = positive + negative
    whose = f"each of the {count} {plural}" if count > 1 else f"the only {unit}"
    return (
        f"{vendor}: no AUC of {plural}: {whose} tested {has} the label, so what is measured is which images show it, "
        "not who has it."
    )


def _rows(compared: Compared, known: dict[str, Aucs]) -> list[dict]:
    """A row for each vendor tested on, unit and pool. ``known``: the AUCs of each training by its key."""
    rows = []
    wheres = {where for key in compared.keys for where in known.get(key, {}) if where.pool != IMAGES}
    for where in sorted(wheres):
        seeds = _seeds(known, compared.keys, where)
        of_images = _seeds(known, compared.keys, where._replace(pool=IMAGES))
        full = _seeds(known, compared.full, where)
        value = estimate(seeds)
        ends = value.interval()
        row = {
            "trained on": compared.vendor,
            "tested on": where.vendor,
            "unit": where.unit,
            "pooled by": where.pool.replace("_", "-"),
            "rate": compared.rate,
            "seeds": len(seeds),
            "with": where.positive,
            "without": where.negative,
            "AUC": value.point,
            "low": ends.low,
            "high": ends.high,
            "AUC of images": float(np.mean([seed.point for seed in of_images])),
        }
        if full:
            apart = estimate(seeds, full)
            ends = apart.interval()
            row |= {"minus full": apart.point, "its low": ends.low, "its high": ends.high}
        rows.append(row)
    return rows


def _seeds(known: dict[str, Aucs], keys: list[str], where: Where) -> list[Resampled]:
    """The AUC of every training that has one, with an error that is known."""
    values = [known.get(key, {}).get(where) for key in keys]
    return [value for value in values if value is not None and math.isfinite(value.error)]


def sentences(level: PatientLevel) -> list[str]:
    """A line for each vendor trained on, tested on and unit, with both pools; then why others have none."""
    lines = []
    for (source, vendor, unit), part in level.table.groupby(["trained on", "tested on", "unit"], sort=False):
        said = []
        for row in part.to_dict("records"):
            rate = FULL if row["rate"] == 1 else f"rate {rate_words(row['rate'])}"
            said.append(f"{rate} {row['AUC']:.3f} [{row['low']:.3f}, {row['high']:.3f}] by {row['pooled by']}")
        counts = f"{part['with'].iloc[0]} with and {part['without'].iloc[0]} without"
        lines.append(f"Test AUC by {unit}, trained on {source}, tested on {vendor} ({counts}): {'; '.join(said)}.")
    return [*lines, *level.notes]
