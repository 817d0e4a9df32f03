"""Searches that are replayed on recorded trainings, and the hypervolume that each reaches with so many epochs.

A table of trainings holds several of each configuration. In each replayed search a configuration stands for one of its
trainings, drawn at random; the search is the project's own searcher and schedulers.
"""

import dataclasses
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import product, takewhile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import optuna
import pandas as pd
from ray import tune

from analysis.statistics.pareto import THREE, TWO, hypervolume, pareto_front
from benchmarks.recorded import NO_WORK, Ended, record_all, replay
from search_spaces import LEARNED
from search_spaces.quick import COMMON
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import generator
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search import searcher
from tune_ks.search.schedulers import EarlyStopping

optuna.logging.set_verbosity(optuna.logging.WARNING)  # every new study would print a line
TRAININGS = 3  # seeds of each configuration
FIXED = {**COMMON, **LEARNED, "vendor": "GE", "epochs": 24}
RATES = [k / 16 for k in range(1, 17)]
LISTED = {"lr": [3e-4, 1e-3, 3e-3], "mask_lr_multiplier": [3.0, 30.0], "sampling_rate": RATES}
DRAWN = {
    "lr": tune.choice(LISTED["lr"]),
    "mask_lr_multiplier": tune.choice(LISTED["mask_lr_multiplier"]),
    "sampling_rate": tune.quniform(1 / 16, 1.0, 1 / 16),
}
METHODS = {
    "grid": {"sampler": "grid"},
    "random": {"sampler": "random"},
    "tpe": {"sampler": "tpe"},
    "nsga2": {"sampler": "nsga2"},
    "random, asha": {"sampler": "random", "scheduler": "asha"},
    "random, pareto_halving": {"sampler": "random", "scheduler": "pareto_halving"},
}
CHUNK = 5  # searches that a process replays in a row
OBJECTIVES = {TWO: ["val_in_domain", "val_cross_domain"], THREE: ["val_in_domain", "val_cross_domain", "realised_rate"]}
BUDGETS = np.array([24 * trials for trials in (2, 3, 4, 6, 8, 12, 16, 24, 32)])  # epochs


def table_configs() -> dict[str, list[TrialConfig]]:
    """Key of a configuration at seed 0 -> it with every seed."""
    table = {}
    for values in product(*LISTED.values()):
        config = TrialConfig.from_dict({**FIXED, **dict(zip(LISTED, values))})
        table[config.key()] = [dataclasses.replace(config, seed=seed) for seed in range(TRAININGS)]
    return table


def train_table(folder: RunFolder, images: Path, workers: int) -> dict[str, list[TrialRecord]]:
    """Key of a configuration at seed 0 -> the records of all its seeds; those that the folder lacks are trained."""
    table = table_configs()
    configs = [config for seeds in table.values() for config in seeds]
    records = iter(record_all(configs, folder, images, workers))
    return {key: [next(records) for _ in seeds] for key, seeds in table.items()}


def space_of(method: str, objectives: tuple[str, ...], varied: dict[str, Any] = DRAWN, samples: int = 10**6) -> Space:
    """The space that a method searches: the same values for all, as lists for the grid."""
    search = {**SEARCH_DEFAULTS, **METHODS[method], "objectives": OBJECTIVES[objectives], "samples": samples}
    return Space("", "", [{**FIXED, **(LISTED if search["sampler"] == "grid" else varied)}], search)


def searcher_of(space: Space, seed: int) -> searcher.JobSearcher:
    """The searcher of a search that has no trial yet. A user's searches have one seed; these are repeated with many."""
    vendors = [FIXED["vendor"]]
    with tempfile.TemporaryDirectory() as empty, mock.patch.object(searcher, "SEED", seed):
        folder = RunFolder(empty)
        return searcher.JobSearcher(plan_search(space, folder, vendors), space, folder, vendors, NO_WORK)


def scheduler_of(space: Space) -> EarlyStopping | None:
    """The space's early stopping, if it asks for one."""
    return None if space.search["scheduler"] == "none" else EarlyStopping(space)


def one_of_each(trained: dict[str, list[TrialRecord]], seed: int) -> dict[str, TrialRecord]:
    """Key of a configuration at seed 0 -> the training that stands for it in the search ``seed``."""
    chosen = {}
    for key, trainings in trained.items():
        chosen[key] = trainings[generator(seed, "training", key).integers(len(trainings))]
    return chosen


def hypervolumes(records: list[TrialRecord], objectives: tuple[str, ...]) -> tuple[float, float]:
    """Hypervolume of the validation front, and of the test values of its points; 0 where there are no points."""
    if not records:
        return 0.0, 0.0
    points = pd.DataFrame(
        {
            "in_domain": record.in_domain("val"),
            "cross_domain": record.cross_domain("val"),
            "realised_rate": record.realised_rate,
            "test_in_domain": record.in_domain("test"),
            "test_cross_domain": record.cross_domain("test"),
        }
        for record in records
    )
    front = pareto_front(points, objectives)
    tested = front.points[["test_in_domain", "test_cross_domain", "realised_rate"]].to_numpy()
    return front.hypervolume, hypervolume(tested[:, : len(objectives)], objectives)


def trace(ended: list[Ended], budgets: np.ndarray, objectives: tuple[str, ...]) -> np.ndarray:
    """(budgets, 2) hypervolumes, of validation and test, of the trials that were whole within each number of epochs."""
    volumes = []
    for budget in budgets:
        records = [trial.record for trial in ended if trial.whole and trial.spent <= budget]
        volumes.append(hypervolumes(records, objectives))
    return np.array(volumes)


def play(
    method: str, objectives: tuple[str, ...], trained: dict[str, list[TrialRecord]], searches: range
) -> np.ndarray:
    """(searches, budgets, 2) shares of the whole table's hypervolume, validation and test."""
    space = space_of(method, objectives)
    shares = []
    for seed in searches:
        table = one_of_each(trained, seed)
        ended = replay(searcher_of(space, seed), scheduler_of(space), lambda config, table=table: table[config.key()])
        within = list(takewhile(lambda trial: trial.spent <= BUDGETS[-1], ended))
        shares.append(trace(within, BUDGETS, objectives) / hypervolumes(list(table.values()), objectives))
    return np.array(shares)


def play_all(
    trained: dict[str, list[TrialRecord]], searches: int, workers: int
) -> dict[tuple[str, ...], dict[str, np.ndarray]]:
    """Objectives -> method -> the shares of all its searches."""
    parts = [range(first, min(first + CHUNK, searches)) for first in range(0, searches, CHUNK)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        jobs = {}
        for objectives, method in product(OBJECTIVES, METHODS):
            jobs[objectives, method] = [pool.submit(play, method, objectives, trained, part) for part in parts]
        shares: dict[tuple[str, ...], dict[str, np.ndarray]] = {objectives: {} for objectives in OBJECTIVES}
        for (objectives, method), of_method in jobs.items():
            shares[objectives][method] = np.concatenate([job.result() for job in of_method])
    return shares
