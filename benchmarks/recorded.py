"""Trainings that are recorded once, whole, so that what a search would have done with them can be played back.

A stopped training is the beginning of the whole one, and a sampler sees of a training only what its record says: with
both AUCs of each epoch on file, the project's own searcher and schedulers run as they would live, in milliseconds.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from ray.tune.search import Searcher

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.scan import CohortSettings
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.evaluation.finish import finish_trainings
from tune_ks.evaluation.write_record import make_record
from tune_ks.search.schedulers import EarlyStopping
from tune_ks.training.train import train
from tune_ks.worker.jobs import objectives_of
from tune_ks.worker.work import TrialWork

NO_WORK = TrialWork(run="", files={}, session="", threads=1, gpus=0, together=1, hang_after=600)  # nothing is trained

SLOTS = 2  # trials at once


class Job(NamedTuple):
    """What Ray's schedulers and ours read of a trial."""

    trial_id: str
    config: dict[str, Any]


class Ended(NamedTuple):
    """A trial that ended when all of them together had taken ``spent`` epochs."""

    spent: int
    record: TrialRecord
    whole: bool  # False where a scheduler stopped it: a search then has no record of it


def prepare(data: Path, size: int, folder: RunFolder) -> Path:
    """Write the phantom's table into the folder; the decoded images' file."""
    cohort = open_cohort(data, CohortSettings(series="post_1"), size, folder.root / "cache")
    write_table(folder.cohort_csv, with_splits(cohort.table, 0))
    return cohort.images


def record_all(configs: list[TrialConfig], folder: RunFolder, images: Path, workers: int) -> list[TrialRecord]:
    """The records of these configs, in their order; what the folder lacks is trained."""
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
    splits, started = open_splits(folder.cohort_csv, images, configs[0].vendor), time.monotonic()
    *_, last = train(configs[0], splits, cross_domain_at=range(1, configs[0].epochs + 1))
    for config in configs:
        training = finish_trainings([config], splits, [last.state])[0]
        folder.write_config(config)
        folder.write_record(make_record(config, splits, training, time.monotonic() - started, "cpu", None))
        started = time.monotonic()


def replay(
    searcher: Searcher, scheduler: EarlyStopping | None, look_up: Callable[[TrialConfig], TrialRecord]
) -> Iterator[Ended]:
    """A search that trains nothing: ``SLOTS`` trials at once, each an epoch at a time. Yields each trial as it ends."""
    running: list[tuple[Job, TrialRecord, int]] = []
    numbers, spent = count(), 0
    while True:
        while len(running) < SLOTS and (job := _next(searcher, str(next(numbers)))) is not None:
            running.append((job, look_up(TrialConfig.from_dict(job.config["jobs"][0][0])), 0))
        if not running:
            return
        going = []
        for job, record, epoch in running:
            spent += 1
            line = {"job": 0, **record.history[epoch]}
            if scheduler and scheduler.on_trial_result(None, job, line) == "STOP":
                searcher.on_trial_complete(job.trial_id, line)
                yield Ended(spent, record, False)
            elif epoch + 1 == len(record.history):
                searcher.on_trial_complete(job.trial_id, {"finished": True, **objectives_of(record)})
                yield Ended(spent, record, True)
            else:
                going.append((job, record, epoch + 1))
        running = going


def _next(searcher: Searcher, trial_id: str) -> Job | None:
    found = searcher.suggest(trial_id)
    return None if found == Searcher.FINISHED else Job(trial_id, found)
