"""What a search would leave behind whose true metrics are known: its tables, and resampled AUCs of its trainings.

Each search draws patients, images, trainings and their scores. A training lies TRAINING_SD logits away from the true
curve. Scores correlate as real ones do: of their variance 0.25 belongs to the patient (0.10 of it is a contrast between
the patient's classes), 0.55 to the image, 0.075 changes with the logarithm of the rate (patient and image), and 0.125
belongs to the training.
"""

import math
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import optuna
import pandas as pd
from scipy.special import expit, logit, ndtri
from scipy.stats import rankdata

from analysis.statistics.bootstrap import Resampled, patient_weights, resampled_auc, win_matrix

DRAWS = 300
TRAINING_SD = 0.08  # logits between a training's true AUC and the curve
# variances of a score; the contrast counts a quarter: the classes lie half of it above and below the patient's level
PATIENT = 0.15
CONTRAST = 0.40
IMAGE = 0.55
DRIFT_PATIENT = 0.025  # these two change with the logarithm of the rate
DRIFT_IMAGE = 0.05
TRAINING = 0.125
OF_EPOCH = 0.5  # share of it that changes from epoch to epoch
VENDOR = {"in_domain": "GE", "cross_domain": "SIEMENS"}
SAMPLES = 24  # rates that a sampler draws


class Setting(NamedTuple):
    """What one kind of search consists of."""

    in_domain: Callable[[np.ndarray], np.ndarray]  # rates -> true AUC
    cross_domain: Callable[[np.ndarray], np.ndarray]
    rates: np.ndarray  # with full sampling last; of a sampler, those that it may draw
    seeds: int
    val: tuple[int, int]  # patients in-domain, cross-domain
    test: tuple[int, int]
    images: int = 13  # a patient
    sampler: str = ""  # "": a grid; "spread" or "tpe": the proof is of the fitted curve
    seeds_of_full: int = 3  # where a sampler drew the rates
    epochs: tuple[int, int] = (1, 1)  # among which the best is kept, below rate 1 and at it


class Search(NamedTuple):
    """One simulated search of one source vendor."""

    table: pd.DataFrame  # one row for each rate, as analysis.read.configurations makes them
    trials: pd.DataFrame  # one row for each training
    draws: dict[str, dict[tuple[str, str], Resampled]]  # key of a training -> (split, vendor) -> resampled AUC


class Reader(NamedTuple):
    """The patients of one split and vendor, who score any training."""

    patient: np.ndarray  # (n,) of each image
    label: np.ndarray
    shared: np.ndarray  # (n,) part of the score that all trainings have
    drift: np.ndarray  # (n,) part that changes with the logarithm of the rate
    weights: np.ndarray  # (B, P)

    def read(self, auc: float, octave: float, rng: np.random.Generator, epochs: int = 1) -> Resampled:
        """The AUC of a training whose true one is ``auc``; ``octave``: its log rate, of mean 0 and variance 1.

        The best of ``epochs`` readings of these patients, where there are several.
        """
        noise = rng.normal(0, math.sqrt(TRAINING), len(self.label))
        score = self.shared + octave * self.drift
        spread = 2 * (PATIENT + CONTRAST / 4 + IMAGE + TRAINING + octave**2 * (DRIFT_PATIENT + DRIFT_IMAGE))
        score += math.sqrt(spread) * ndtri(auc) * self.label  # the AUC of images of different patients
        score += noise if epochs == 1 else self._best_noise(score, noise, epochs, rng)
        patients = np.arange(self.weights.shape[1])
        return resampled_auc(win_matrix(self.label, score, self.patient, patients), self.weights)

    def _best_noise(self, score: np.ndarray, noise: np.ndarray, epochs: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) the noise of the epoch with the best AUC; OF_EPOCH of the variance is drawn anew in each."""
        own = rng.normal(0, math.sqrt(OF_EPOCH * TRAINING), (epochs, len(noise)))
        noises = math.sqrt(1 - OF_EPOCH) * noise + own
        ranks = rankdata(score + noises, axis=1)
        return noises[(ranks * self.label).sum(axis=1).argmax()]  # the sum of the positives' ranks rises with the AUC


def reader(patients: int, images: int, rng: np.random.Generator) -> Reader:
    """New patients."""
    counts = rng.integers(images - 5, images + 6, patients)
    patient = np.repeat(np.arange(patients), counts)
    label = rng.integers(0, 2, len(patient))
    label[:2] = 0, 1
    shared = rng.normal(0, math.sqrt(PATIENT), patients)[patient] + rng.normal(0, math.sqrt(IMAGE), len(patient))
    shared += rng.normal(0, math.sqrt(CONTRAST), patients)[patient] * (label - 0.5)
    drift = rng.normal(0, math.sqrt(DRIFT_PATIENT), patients)[patient]
    drift += rng.normal(0, math.sqrt(DRIFT_IMAGE), len(patient))
    return Reader(patient, label, shared, drift, patient_weights(patients, DRAWS, "calibration"))


class Simulation:
    """A search that trains one rate after another."""

    def __init__(self, setting: Setting, rng: np.random.Generator) -> None:
        self.setting = setting
        self.rng = rng
        self.rows: list[dict] = []
        self.draws: dict[str, dict[tuple[str, str], Resampled]] = {}
        octaves = np.log2(setting.rates)
        self.middle = octaves.mean()
        self.width = octaves.std()
        self.readers = {}
        for place, domain in enumerate(VENDOR):
            for split in ("val", "test"):
                patients = getattr(setting, split)[place]
                self.readers[split, domain] = reader(patients, setting.images, rng)

    def train(self, rate: float, splits: tuple[str, ...] = ("val", "test")) -> dict[str, float]:
        """One training -> its scores."""
        seed = sum(row["sampling_rate"] == rate for row in self.rows)
        key = f"{rate:.4f} {seed}"
        row = {"key": key, "configuration": f"{rate:.4f}", "sampling_rate": rate, "realised_rate": rate, "seed": seed}
        self.draws[key] = {}
        octave = (math.log2(rate) - self.middle) / self.width
        for domain, vendor in VENDOR.items():
            true = logit(getattr(self.setting, domain)(np.array([rate]))[0]) + self.rng.normal(0, TRAINING_SD)
            for split in ("val", "test"):
                row[f"{split}_{domain}"] = math.nan
                if split in splits:
                    chosen_here = (split, domain) == ("val", "in_domain")
                    epochs = self.setting.epochs[int(rate == 1)] if chosen_here else 1
                    value = self.readers[split, domain].read(expit(true), octave, self.rng, epochs)
                    self.draws[key][split, vendor] = value
                    row[f"{split}_{domain}"] = value.point
        self.rows.append(row)
        return row

    def search(self) -> Search:
        """The tables of all trainings so far."""
        trials = pd.DataFrame(self.rows)
        trials = trials.assign(full=trials["sampling_rate"] == 1, vendor=VENDOR["in_domain"], mask="gumbel")
        return Search(configurations_table(trials), trials, self.draws)


def configurations_table(trials: pd.DataFrame) -> pd.DataFrame:
    """One row for each rate: means over seeds, and standard deviations ("_sd")."""
    scores = [f"{split}_{domain}" for split, domain in product(("val", "test"), VENDOR)]
    groups = trials.groupby("configuration")
    table = groups[["vendor", "mask", "full", "sampling_rate", "realised_rate"]].first()
    table = table.join(groups[scores].mean()).join(groups[scores].std(ddof=1).add_suffix("_sd"))
    table["seeds"] = groups.size()
    table["keys"] = groups["key"].agg(list)
    return table.reset_index()


def simulate(setting: Setting, rng: np.random.Generator) -> Search:
    """What a run folder would hold of a grid, or of a sampler's search with full sampling beside it."""
    simulation = Simulation(setting, rng)
    if not setting.sampler:
        for rate in setting.rates:
            for _ in range(setting.seeds):
                simulation.train(rate)
        return simulation.search()
    for _ in range(setting.seeds_of_full):
        simulation.train(1.0, ("val",))
    draw = by_tpe if setting.sampler == "tpe" else by_spread
    draw(simulation)
    return simulation.search()


def by_spread(simulation: Simulation) -> None:
    """Rates evenly in log rate."""
    below = simulation.setting.rates[:-1]
    for rate in np.unique(np.round(np.geomspace(below[0], below[-1], SAMPLES) * 64) / 64):
        simulation.train(rate, ("val",))


def by_tpe(simulation: Simulation) -> None:
    """Rates that Optuna's TPE asks for, on both validation AUCs as in search_spaces/rate_temperature.py."""
    sampler = optuna.samplers.TPESampler(seed=int(simulation.rng.integers(2**31)))
    study = optuna.create_study(directions=["maximize"] * 2, sampler=sampler)
    below = simulation.setting.rates[:-1]
    for _ in range(SAMPLES):
        trial = study.ask()
        rate = trial.suggest_int("lines", round(below[0] * 64), round(below[-1] * 64), log=True) / 64
        row = simulation.train(rate, ("val",))
        study.tell(trial, [row["val_in_domain"], row["val_cross_domain"]])
