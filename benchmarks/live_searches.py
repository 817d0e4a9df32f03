"""Searches that train what they ask for in a continuous space: whether what replayed ones show holds there."""

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
from ray import tune

from analysis.statistics.pareto import TWO
from benchmarks.efficiency_tables import SHOWN
from benchmarks.recorded import Ended, record_training, replay
from benchmarks.replayed_searches import FIXED, TRAININGS, hypervolumes, scheduler_of, searcher_of, space_of, trace
from benchmarks.tools import print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder

CONTINUOUS = {
    "lr": tune.loguniform(1e-4, 1e-2),
    "mask_lr_multiplier": tune.loguniform(1.0, 100.0),
    "sampling_rate": tune.quniform(1 / 64, 1.0, 1 / 64),
}
LIVE_METHODS = ("random", "tpe")


def live(method: str, seed: int, trials: int, folder: RunFolder, images: Path) -> list[Ended]:
    """A search of ``trials`` that trains when the searcher asks, with the search's own seed."""

    def look_up(config: TrialConfig) -> TrialRecord:
        asked = dataclasses.replace(config, seed=seed)
        if not folder.is_finished(asked.key()):
            record_training([asked], folder, images)
        return folder.read_record(asked.key())

    space = space_of(method, TWO, CONTINUOUS, trials)
    return list(replay(searcher_of(space, seed), scheduler_of(space), look_up))


def print_live(trials: int, folder: RunFolder, images: Path, workers: int) -> None:
    """Per cent of the hypervolume of all trainings of all the live searches, a line a search."""
    searches = list(product(range(TRAININGS), LIVE_METHODS))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        jobs = {(method, seed): pool.submit(live, method, seed, trials, folder, images) for seed, method in searches}
        ended_of = {name: job.result() for name, job in jobs.items()}
    whole = hypervolumes([trial.record for ended in ended_of.values() for trial in ended], TWO)
    budgets = [budget for budget in SHOWN if budget <= FIXED["epochs"] * trials]
    print(f"\nLive, {trials} trials a search, 2 objectives, validation / test:\n")
    print_heads(["search, seed", *(f"{budget} epochs" for budget in budgets)])
    for (method, seed), ended in sorted(ended_of.items()):
        shares = 100 * trace(ended, np.array(budgets), TWO) / whole
        print_row([f"{method}, {seed}", *(f"{val:.0f} / {test:.0f}" for val, test in shares)])
