"""Every trial's metric on resampled patients of each split and vendor; all trials share them, to pair differences."""

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.load import Run
from analysis.read.trial_arrays import scored_images
from analysis.statistics.baselines import held_out_images
from analysis.statistics.bootstrap import DRAWS, Resampled, TrialDraws, average, patient_weights
from analysis.statistics.measures import measure_of
from tune_ks.core.domains import sources_of
from tune_ks.core.record import SPLITS, TrialRecord

UNKNOWN = Resampled(math.nan, np.array([math.nan]), 0)


class Patients(NamedTuple):
    """The patients of a (split, vendor), and how often each is drawn."""

    names: np.ndarray  # (P,) sorted
    weights: np.ndarray  # (B, P)


def trial_draws(run: Run, draws: int = DRAWS) -> dict[str, TrialDraws]:
    """key -> (split, vendor) -> resampled metric; a trial without usable scores has no entry.

    All trials of one source vendor see the same patients in the same draw. A trial that was not scored on all of them
    has no value there. Another vendor's validation patients are all that are not test patients, so they differ from
    the validation patients of a model that was trained on that vendor, and are drawn apart.
    """
    patients = _test_patients(run.cohort, draws)
    measure = measure_of(run)
    by_trial: dict[str, TrialDraws] = {}
    known: dict[bytes, pd.DataFrame] = {}
    grouped: dict[tuple[int, bytes], list[Group]] = {}  # by the images that count: all trials of a vendor have the same
    for key, record in run.records.items():
        scored = scored_images(run.root, key, run.cohort, known)
        if scored is None:
            continue
        counts = measure.counts(scored.images["label"].to_numpy(), scored.score)
        same = id(scored.images), counts.tobytes()  # ``known`` keeps every table, so an id stays that of one table
        if same not in grouped:
            grouped[same] = _groups(scored.images, counts)
        of_trial: TrialDraws = {}
        for group in grouped[same]:
            role = (group.split, group.vendor, group.vendor in record.config.sources)
            if role not in patients:
                drawn = patient_weights(len(group.scored), draws, *map(str, role))
                patients[role] = Patients(group.scored, drawn)
            names, weights = patients[role]
            if np.array_equal(group.scored, names):
                score = scored.score[group.places]
                value = measure.resampled(group.label, score, group.patient, np.arange(len(names)), weights)
                of_trial[group.split, group.vendor] = value
        by_trial[key] = marked(of_trial, record)
    return by_trial


def marked(of_trial: TrialDraws, record: TrialRecord) -> TrialDraws:
    """The values of one trial, with those of vendors marked that its cross-domain mean leaves out."""
    left_out = {split: record.others(split).left_out for split in SPLITS}
    values = dict(of_trial)
    for (split, vendor), value in of_trial.items():
        if vendor in left_out[split]:
            values[split, vendor] = dataclasses.replace(value, in_mean=False)
    return values


class Group(NamedTuple):
    """The images of one split and vendor that a trial was scored on."""

    split: str
    vendor: str
    places: np.ndarray  # of the trial's images
    label: np.ndarray
    patient: np.ndarray  # of each image, its place in ``scored``
    scored: np.ndarray  # (P,) its patients, sorted


def _groups(images: pd.DataFrame, counts: np.ndarray) -> list[Group]:
    """The images that count, by split and vendor."""
    groups = []
    for (split, vendor), of_group in images[counts].groupby(["split", "vendor"]):
        names, patient = np.unique(of_group["patient_id"].to_numpy(object), return_inverse=True)
        groups.append(
            Group(
                split=str(split),
                vendor=str(vendor),
                places=of_group.index.to_numpy(),
                label=of_group["label"].to_numpy(),
                patient=patient,
                scored=names,
            )
        )
    return groups


def _test_patients(cohort: pd.DataFrame, draws: int) -> dict[tuple[str, str, bool], Patients]:
    """(split, vendor, whether it was trained on) -> its test patients, drawn alike in both cases."""
    patients = {}
    for vendor, images in held_out_images(cohort):
        names = np.unique(images["patient_id"])
        for trained_on in (True, False):
            patients["test", vendor, trained_on] = Patients(names, patient_weights(len(names), draws, vendor))
    return patients


def configuration_draws(keys: list[str], draws: Mapping[str, TrialDraws]) -> TrialDraws:
    """The mean over a configuration's trainings inside each draw, for the roles that all of them were scored in."""
    trainings = [draws.get(key, {}) for key in keys]
    if not trainings:
        return {}
    averaged = {}
    for role in sorted(trainings[0]):
        if all(role in training for training in trainings):
            averaged[role] = average([training[role] for training in trainings])
    return averaged


def paired(scores: TrialDraws, other: TrialDraws) -> TrialDraws:
    """``scores`` minus ``other`` on the same patients; unknown where ``other`` was not scored."""
    return {role: value - other.get(role, UNKNOWN) for role, value in scores.items()}


def domain_draws(of_trial: TrialDraws, vendor: str, split: str, domain: str) -> Resampled | None:
    """The metric in-domain, or its mean over the other vendors that count; None where nothing was scored.

    ``vendor`` is what was trained on. Of several source vendors it is their mean: the patients of each are drawn apart,
    so that its interval has the errors of all. None where one of them was not scored.
    """
    sources = sources_of(vendor)
    if domain == "in_domain":
        scores = [of_trial[split, source] for source in sources if (split, source) in of_trial]
        if len(scores) < len(sources):
            return None
    else:
        scores = [value for (s, v), value in of_trial.items() if s == split and v not in sources and value.in_mean]
    if not scores:
        return None
    return scores[0] if len(scores) == 1 else average(scores)
