"""What one of Ray's trials is asked for and says: its jobs, their lines, what they came to.

A job is a list of configs that end in one record each: the seeds of one suggestion, the rates of one conditional
training, or a single point of a grid. A trial holds one job, or several points of a grid that may train as one.
"""

import math
from typing import Any

from ray import tune

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord, mean_of_defined
from tune_ks.worker.attempts import Superseded
from tune_ks.worker.faults import StorageError

Found = TrialRecord | Superseded | str  # a str is the reason of a failure, which is written by then


class Jobs:
    """The jobs of one trial: what of them was found, and what Ray is told of it.

    A line an epoch, and of each job at last the means over its configs that the searcher learns from. Each report names
    its ``job`` by its number.
    """

    def __init__(self, jobs: list[list[dict[str, Any]]]) -> None:
        self.jobs = [configs_of(job) for job in jobs]
        self.number = {config.key(): number for number, job in enumerate(self.jobs) for config in job}
        self.shares = dict.fromkeys(self.number, 0.0)
        self.found: dict[str, Found | None] = {}  # by key; None: a scheduler stopped it

    def waiting(self) -> list[TrialConfig]:
        """What still has to be tried, in order; nothing of a job that another process goes on with."""
        lost = {self.number[key] for key, found in self.found.items() if isinstance(found, Superseded)}
        left = [config for job in self.jobs for config in job if config.key() not in self.found]
        return [config for config in left if self.number[config.key()] not in lost]

    def epoch(self, config: TrialConfig, line: dict[str, float]) -> None:
        """Report a line of a history."""
        key, number = config.key(), self.number[config.key()]
        self.shares[key] = line["epoch"] / config.epochs
        shown = {"val_cross_domain": math.nan, **line, "epoch_share": self._share(number), "job": number}
        if config != self.jobs[number][0]:  # a scheduler judges a job by its first config: others have no epoch
            del shown["epoch"]
        tune.report(shown)

    def stop(self, config: TrialConfig) -> None:
        """A scheduler has stopped it, and has counted its job."""
        self.found[config.key()] = None

    def end(self, config: TrialConfig, found: Found) -> None:
        """Report the job where this was the last of its configs."""
        self.found[config.key()], self.shares[config.key()] = found, 1.0
        number = self.number[config.key()]
        if not any(self.number[one.key()] == number for one in self.waiting()):
            self._report(number)

    def give_up(self, error: StorageError) -> None:
        """The run folder cannot be written: no trial's fault, and the driver stops."""
        self._report(0, storage=str(error))

    def _report(self, number: int, **trouble: str) -> None:
        found = [self.found.get(config.key()) for config in self.jobs[number]]
        records = [one for one in found if isinstance(one, TrialRecord)]
        for one in found:
            if isinstance(one, Superseded):
                trouble["superseded"] = str(one)
        tune.report(
            {
                "finished": True,
                "failed": "; ".join(one for one in found if isinstance(one, str)),
                "val_in_domain": mean_of_defined(record.in_domain("val") for record in records),
                "val_cross_domain": mean_of_defined(record.cross_domain("val") for record in records),
                "realised_rate": mean_of_defined(record.realised_rate for record in records),
                "epoch_share": 1.0,
                "job": number,
                **trouble,
            }
        )

    def _share(self, number: int) -> float:
        own = [self.shares[config.key()] for config in self.jobs[number]]
        return sum(own) / len(own)


def configs_of(job: list[dict[str, Any]]) -> list[TrialConfig]:
    """The configs of a job as a trial is given it."""
    return [TrialConfig.from_dict(values) for values in job]


def job_of(trial: Any, result: dict[str, Any]) -> tuple[str, list[TrialConfig]]:
    """(name, configs) of the job that a report of one of Ray's trials speaks of."""
    return _named_job(trial, result["job"])


def jobs_of(trial: Any) -> list[tuple[str, list[TrialConfig]]]:
    """(name, configs) of each job of one of Ray's trials."""
    return [_named_job(trial, number) for number in range(len(trial.config["jobs"]))]


def _named_job(trial: Any, number: int) -> tuple[str, list[TrialConfig]]:
    """The name of a single one is the trial's own."""
    jobs = trial.config["jobs"]
    name = trial.trial_id if len(jobs) == 1 else f"{trial.trial_id}.{number}"
    return name, configs_of(jobs[number])
