"""Test scores of trainings on phantoms, and statistics of their AUCs with intervals over patients."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tune_ks.core.metrics import auc

VENDORS = ("GE", "SIEMENS")
BASELINES = ("mean", "p75", "p90", "position")
DRAWS = 300  # of the bootstrap


class Trained(NamedTuple):
    """The test scores of one training."""

    phantom_seed: int
    off: tuple[str, ...]
    task: str  # tumour | vendor
    source: str
    split_seed: int
    test: pd.DataFrame  # vendor, patient_id, label, score and the baselines of each test image
    position: dict[str, float]  # vendor -> AUC of the slice position over all its images


AucOf = Callable[[Trained, str, str], float]  # training, tested vendor, column of its test table -> AUC
Interval = tuple[float, float, float]  # value, low, high
Times = dict[int, dict[str, int]]  # phantom seed -> patient -> how often a bootstrap draws the patient


def estimate(trained: Sequence[Trained], statistic: Callable[[AucOf], float]) -> Interval:
    """``statistic`` of the AUCs of ``trained``, with its bootstrap interval over patients."""
    tests = {}
    for training in trained:
        for vendor, images in training.test.groupby("vendor"):
            tests[id(training), vendor] = {name: images[name].to_numpy() for name in images}

    def measure(times: Times | None) -> float:
        def auc_of(training: Trained, vendor: str, column: str) -> float:
            images = tests[id(training), vendor]
            if times is None:
                return auc(images["label"], images[column])
            drawn = times[training.phantom_seed]
            repeats = [drawn.get(patient, 0) for patient in images["patient_id"]]
            return auc(np.repeat(images["label"], repeats), np.repeat(images[column], repeats))

        return statistic(auc_of)

    patients = patients_of(trained)
    rng = np.random.default_rng(0)
    draws = [measure(draw_patients(patients, rng)) for _ in range(DRAWS)]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return measure(None), float(low), float(high)


def patients_of(trained: Sequence[Trained]) -> dict[int, list[str]]:
    """Phantom seed -> its test patients, of all splits: a draw weighs a patient alike wherever it is tested."""
    patients: dict[int, set[str]] = {}
    for training in trained:
        patients.setdefault(training.phantom_seed, set()).update(training.test["patient_id"])
    return {seed: sorted(patients[seed]) for seed in sorted(patients)}


def draw_patients(patients: dict[int, list[str]], rng: np.random.Generator) -> Times:
    """One bootstrap draw within each phantom."""
    times = {}
    for seed, names in patients.items():
        drawn, counts = np.unique(rng.choice(names, len(names)), return_counts=True)
        times[seed] = dict(zip(drawn.tolist(), counts.tolist()))
    return times


def having(trained: Sequence[Trained], **wanted: object) -> list[Trained]:
    """The trainings whose fields have these values."""
    return [training for training in trained if all(getattr(training, name) == value for name, value in wanted.items())]


def mean_auc(auc_of: AucOf, trainings: Sequence[Trained], vendor: str, column: str = "score") -> float:
    """Mean over trainings of the AUC on one vendor's test images."""
    return float(np.mean([auc_of(training, vendor, column) for training in trainings]))
