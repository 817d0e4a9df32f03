"""Every trial's metric on the same resampled patients, a (split, vendor) each, so that differences are paired."""

import math

import numpy as np

from analysis.read.load import Run
from analysis.read.trial_arrays import image_scores
from analysis.statistics.baselines import held_out_images
from analysis.statistics.bootstrap import DRAWS, Resampled, TrialDraws, average, patient_weights
from analysis.statistics.measures import MEASURES

UNKNOWN = Resampled(math.nan, np.array([math.nan]), 0)


def trial_draws(run: Run, draws: int = DRAWS) -> dict[str, TrialDraws]:
    """key -> (split, vendor) -> resampled metric; a trial without usable scores has no entry.

    All trials of one source vendor see the same patients in the same draw: a trial that was not scored on all of them
    has none there. Another vendor's validation patients are all that are not test patients, so a draw of them differs
    from one of the source vendor's own.
    """
    weights: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}
    for vendor, images in held_out_images(run.cohort):
        patients = np.unique(images["patient_id"])
        for own in (True, False):
            weights["test", vendor, own] = patients, patient_weights(len(patients), draws, vendor)
    found: dict[str, TrialDraws] = {}
    measure = MEASURES[run.metric]
    for key, record in run.records.items():
        scores = image_scores(run.root, key, run.cohort)
        if scores is None:
            continue
        scores = scores[measure.counts(scores)]
        mine: TrialDraws = {}
        for (split, vendor), part in scores.groupby(["split", "vendor"]):
            role = (split, vendor, vendor == record.config.vendor)
            here = np.unique(part["patient_id"])
            if role not in weights:
                weights[role] = (here, patient_weights(len(here), draws, *map(str, role)))
            patients, weight = weights[role]
            if np.array_equal(here, patients):
                columns = (part[name].to_numpy() for name in ("label", "score", "patient_id"))
                mine[str(split), str(vendor)] = measure.resampled(*columns, patients, weight)
        found[key] = mine
    return found


def configuration_draws(keys: list[str], draws: dict[str, TrialDraws]) -> TrialDraws:
    """The mean over a configuration's trainings inside each draw, on what all of them were scored on."""
    each = [draws.get(key, {}) for key in keys]
    shared = set.intersection(*map(set, each)) if each else set()
    return {role: average([found[role] for found in each]) for role in sorted(shared)}


def paired(mine: TrialDraws, other: TrialDraws) -> TrialDraws:
    """``mine`` minus ``other`` on the same patients; unknown where ``other`` was not scored."""
    return {role: value - other.get(role, UNKNOWN) for role, value in mine.items()}


def domain_draws(of_trial: TrialDraws, vendor: str, split: str, domain: str) -> Resampled | None:
    """The metric in-domain, or its mean over the other vendors; None where nothing was scored."""
    inside = domain == "in_domain"
    members = [value for (s, v), value in of_trial.items() if s == split and (v == vendor) == inside]
    return average(members) if members else None
