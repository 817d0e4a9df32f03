"""Trainings are recorded once, each to its last epoch; then searches over them can be replayed.

A stopped training is the beginning of the whole one, and a sampler reads nothing of a training but its record. So with
both AUCs of each epoch on file, the project's own searcher and schedulers decide as they would live, in milliseconds.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ray.tune.search import Searcher

from benchmarks.alone import finish, train_to_end
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.evaluation.write_record import make_record
from tune_ks.search.schedulers import EarlyStopping
from tune_ks.worker.jobs import objectives_of
from tune_ks.worker.work import TrialWork

SLOTS = 2  # trials at once
NO_WORK = TrialWork(run="", files={}, session="", threads=1, gpus=0, together=1, hang_after=600)  # nothing is trained


class Job(NamedTuple):
    """The part of a Ray trial that schedulers read."""

    trial_id: str
    config: dict[str, Any]


class Ended(NamedTuple):
    """A trial that ended when all of them together had taken ``spent`` epochs."""

    spent: int
    record: TrialRecord
    whole: bool  # False where a scheduler stopped it: a search then has no record of it


def prepare(data: Path, size: int, folder: RunFolder) -> Path:
    """Write the phantom's table into the folder; returns the file of the decoded images."""
    cohort = open_cohort(data, CohortSettings(series="post_1"), size, folder.root / "cache")
    write_table(folder.cohort_csv, with_splits(cohort.table, 0))
    return cohort.images


def record_all(configs: list[TrialConfig], folder: RunFolder, images: Path, workers: int) -> list[TrialRecord]:
    """The records of these configs, in their order. Those that the folder lacks are trained first."""
    together: dict[str, list[TrialConfig]] = {}
    for config in configs:
        if not folder.is_finished(config.key()):
            together.setdefault(config.training().key(), []).append(config)
    if together:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(record_training, together.values(), [folder] * len(together), [images] * len(together)))
    return [folder.read_record(config.key()) for config in configs]


def record_training(configs: list[TrialConfig], folder: RunFolder, images: Path) -> None:
    """One training with both AUCs after each epoch, and a record for each config that it is scored for.

    Several are the rates of a conditional training; its seconds are the first one's.
    """
    splits = open_splits(folder.cohort_csv, images, configs[0].vendor)
    started = time.monotonic()
    state = train_to_end(configs[0], splits, cross_domain_at=range(1, configs[0].epochs + 1))
    for config in configs:
        scored = finish(config, splits, state)
        folder.write_config(config)
        folder.write_record(make_record(config, splits, scored, time.monotonic() - started, "cpu", None))
        started = time.monotonic()


def replay(
    searcher: Searcher, scheduler: EarlyStopping | None, look_up: Callable[[TrialConfig], TrialRecord]
) -> Iterator[Ended]:
    """A search that trains nothing: ``SLOTS`` trials at once take turns epoch by epoch. Yields trials as they end."""
    running: list[Replayed] = []
    numbers = count()
    spent = 0
    while True:
        while len(running) < SLOTS and (job := _next(searcher, str(next(numbers)))) is not None:
            running.append(Replayed(job, look_up(TrialConfig.from_dict(job.config["jobs"][0][0]))))
        if not running:
            return
        for trial in list(running):
            spent += 1
            ended = trial.play_epoch(searcher, scheduler)
            if ended is not None:
                running.remove(trial)
                yield Ended(spent, trial.record, ended == "whole")


class Replayed:
    """A trial whose epochs are read from its record."""

    def __init__(self, job: Job, record: TrialRecord) -> None:
        self.job = job
        self.record = record
        self.epoch = 0  # epochs played so far

    def play_epoch(self, searcher: Searcher, scheduler: EarlyStopping | None) -> Literal["stopped", "whole"] | None:
        """Report the next epoch; says how the trial ended, if it did."""
        line = {"job": 0, **self.record.history[self.epoch]}
        self.epoch += 1
        if scheduler and scheduler.on_trial_result(None, self.job, line) == "STOP":
            searcher.on_trial_complete(self.job.trial_id, line)
            return "stopped"
        if self.epoch == len(self.record.history):
            searcher.on_trial_complete(self.job.trial_id, {"finished": True, **objectives_of(self.record)})
            return "whole"
        return None


def _next(searcher: Searcher, trial_id: str) -> Job | None:
    suggested = searcher.suggest(trial_id)
    return None if suggested == Searcher.FINISHED else Job(trial_id, suggested)
