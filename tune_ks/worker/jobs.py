"""The jobs of one of Ray's trials: which configs they hold, and what is reported to Ray about them.

A job is a list of configs that end in one record each: the seeds of one suggestion, the sampling rates of one
conditional training, or a single point of a grid. A trial holds one job, or several points of a grid that may train
together.
"""

import json
import math
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ray import tune

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord, mean_of_defined
from tune_ks.planning.space import OBJECTIVES
from tune_ks.training.stored_fits import Fitted
from tune_ks.worker.attempts import Superseded
from tune_ks.worker.faults import StorageError

FITS_PAUSE = 5.0  # seconds between two reports of fits
KEPT = 4096  # jobs whose configs are kept: the driver needs them again at every report, and few jobs run at once
ConfigResult = TrialRecord | Superseded | str  # how a config ended; a text is the reason of a failure


class Jobs:
    """The jobs of one trial, with the result of every config that has ended, and the reports to Ray.

    Ray gets one report per epoch; at the end of a job it gets the job's mean objectives, which the searcher learns
    from. Every report names its ``job`` by number.
    """

    def __init__(self, jobs: Sequence[list[dict[str, Any]]]) -> None:
        self.jobs = [configs_of(job) for job in jobs]
        self.job_number: dict[str, int] = {}  # key of a config -> number of its job
        for number, job in enumerate(self.jobs):
            for config in job:
                self.job_number[config.key()] = number
        self.epoch_shares = dict.fromkeys(self.job_number, 0.0)  # key -> share of its epochs that is done
        self.results: dict[str, ConfigResult | None] = {}  # by key; None: a scheduler stopped it
        self.fits_reported = -math.inf  # time.monotonic() of the last report of fits

    def waiting(self) -> list[TrialConfig]:
        """The configs that still have to be tried, in order; none of a job that another process has taken over."""
        lost = set()
        for key, result in self.results.items():
            if isinstance(result, Superseded):
                lost.add(self.job_number[key])
        waiting: list[TrialConfig] = []
        for number, job in enumerate(self.jobs):
            if number not in lost:
                waiting += [config for config in job if config.key() not in self.results]
        return waiting

    def report_epoch(self, config: TrialConfig, line: dict[str, float]) -> None:
        """Report one line of a history."""
        number = self.job_number[config.key()]
        self.epoch_shares[config.key()] = line["epoch"] / config.epochs
        report = {"val_cross_domain": math.nan, **line, "epoch_share": self._epoch_share(number), "job": number}
        if config != self.jobs[number][0]:  # a scheduler judges a job by its first config: others report no epoch
            del report["epoch"]
        tune.report(report)

    def report_fits(self, config: TrialConfig, fitted: Fitted) -> None:
        """Report how many images the harmonisation was fitted to: before the first epoch there is nothing else to say.

        At most every ``FITS_PAUSE`` seconds, because a worker waits in each report until the driver has read it.
        """
        now = time.monotonic()
        if now - self.fits_reported < FITS_PAUSE:
            return
        self.fits_reported = now
        number = self.job_number[config.key()]
        undefined = {"val_in_domain": math.nan, "val_cross_domain": math.nan}  # Ray refuses a report without a metric
        share = {"fitted": fitted.done, "to_fit": fitted.total, "epoch_share": self._epoch_share(number)}
        tune.report({**undefined, **share, "job": number})

    def set_stopped(self, config: TrialConfig) -> None:
        """A scheduler stopped the config. Nothing is reported: the scheduler has already counted the job as ended."""
        self.results[config.key()] = None

    def set_result(self, config: TrialConfig, result: ConfigResult) -> None:
        """Keep how a config ended, and report its job if no other config of it is waiting."""
        self.results[config.key()] = result
        self.epoch_shares[config.key()] = 1.0
        number = self.job_number[config.key()]
        waiting_jobs = {self.job_number[other.key()] for other in self.waiting()}
        if number not in waiting_jobs:
            self._report_end(number)

    def report_storage_error(self, error: StorageError) -> None:
        """The run folder cannot be written. No trial is at fault, and the driver stops the search."""
        self._report_end(0, storage=str(error))

    def _report_end(self, number: int, **trouble: str) -> None:
        results = [self.results.get(config.key()) for config in self.jobs[number]]
        reasons = [result for result in results if isinstance(result, str)]
        for result in results:
            if isinstance(result, Superseded):
                trouble["superseded"] = str(result)
        report = {"finished": True, "failed": "; ".join(reasons), "epoch_share": 1.0, "job": number}
        values = [objectives_of(result) for result in results if isinstance(result, TrialRecord)]
        for name in OBJECTIVES:
            report[name] = mean_of_defined(value[name] for value in values)
        tune.report({**report, **trouble})

    def _epoch_share(self, number: int) -> float:
        job = self.jobs[number]
        return sum(self.epoch_shares[config.key()] for config in job) / len(job)


def objectives_of(record: TrialRecord) -> dict[str, float]:
    """Every objective of a search, by its name in SEARCH; NaN where it was not measured."""
    return {
        "val_in_domain": record.in_domain("val"),
        "val_cross_domain": record.cross_domain("val"),
        "realised_rate": record.realised_rate,
    }


def configs_of(job: list[dict[str, Any]]) -> list[TrialConfig]:
    """The configs of a job from their plain values."""
    return list(_configs_of_text(json.dumps(job)))


@lru_cache(maxsize=KEPT)
def _configs_of_text(text: str) -> tuple[TrialConfig, ...]:
    """The configs of a job as JSON text. Kept, because building a config checks every field of it."""
    return tuple(TrialConfig.from_dict(values) for values in json.loads(text))


def job_of(trial: Any, result: dict[str, Any]) -> tuple[str, list[TrialConfig]]:
    """(name, configs) of the job that a report of one of Ray's trials is about."""
    return _named_job(trial, result["job"])


def jobs_of(trial: Any) -> list[tuple[str, list[TrialConfig]]]:
    """(name, configs) of every job of one of Ray's trials."""
    return [_named_job(trial, number) for number in range(len(trial.config["jobs"]))]


def _named_job(trial: Any, number: int) -> tuple[str, list[TrialConfig]]:
    """A trial's only job has the name of the trial."""
    jobs = trial.config["jobs"]
    name = trial.trial_id if len(jobs) == 1 else f"{trial.trial_id}.{number}"
    return name, configs_of(jobs[number])
