"""Early stopping: trials of a group (by default one vendor) are compared at the same epochs, and the worst end there.

ASHA and the median rule are Ray's, and read only the in-domain validation metric. ``pareto_halving`` compares all the
objectives of the search (Schmucker et al., Multi-objective Asynchronous Successive Halving, 2021): a trial that no
other one dominates continues, even if one of its values is low.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from moocore import pareto_rank
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import Stop
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.space import OBJECTIVES, Space
from tune_ks.search.in_order import InOrder
from tune_ks.training.members import settings_of
from tune_ks.training.tasks import title_of
from tune_ks.worker.jobs import job_of, jobs_of

EPOCH, METRIC = "epoch", "val_in_domain"
LINE = (EPOCH, "loss", METRIC, "val_cross_domain")  # fields of a history that a stopped trial keeps


class Named(NamedTuple):
    """What Ray's schedulers read of a trial: its name. Here it is that of a job, or the key of an earlier training."""

    trial_id: str


class ParetoHalving(FIFOScheduler):
    """Asynchronous successive halving by non-dominated rank.

    At every rung (epoch of comparison) a trial is compared with those that reached it before. It is stopped when
    1 / ``reduction_factor`` of them or more have a better rank; so a trial on the front of its rung always continues.
    """

    def __init__(self, objectives: list[str], rungs: list[int], reduction_factor: int) -> None:
        super().__init__()
        self.objectives = objectives
        self.maximise = [OBJECTIVES[name] == "maximize" for name in objectives]
        self.reduction_factor = reduction_factor
        self.reached: dict[int, list[list[float]]] = {rung: [] for rung in rungs}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if not self._reach(result):
            return TrialScheduler.CONTINUE
        reached = self.reached[result[EPOCH]]
        rank = pareto_rank(np.array(reached), maximise=self.maximise)
        better = int((rank < rank[-1]).sum())
        is_behind = better * self.reduction_factor >= len(reached)
        return TrialScheduler.STOP if is_behind else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._reach(result)

    def _reach(self, result: dict[str, Any]) -> bool:
        """Enter the values at a rung. False between the rungs, and for undefined values, which cannot be compared."""
        values = [result[name] for name in self.objectives]
        if result[EPOCH] not in self.reached or any(math.isnan(value) for value in values):
            return False
        self.reached[result[EPOCH]].append(values)
        return True


class EarlyStopping(InOrder):
    """One scheduler for every group of trials that may be compared; keeps the Stops of a job until they are written.

    Only reports with an epoch count: those of a job's first config. Its training is judged, so a stop is of every
    config of the job that shares this training. A training that reached its last epoch is never stopped: that would
    save nothing.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.search = space.search
        self.epochs = space.epochs()
        first = max(1, math.ceil(self.search["grace"] * self.epochs))
        factor = self.search["reduction_factor"]
        powers = (first * factor**power for power in range(self.epochs))
        self.rungs = [rung for rung in powers if rung < self.epochs]
        # values of the compare_within fields -> scheduler of Ray, given names here where its types ask for Ray's trials
        self.groups: dict[tuple, Any] = {}
        self.histories: dict[str, list[dict[str, float]]] = {}  # name of a job -> lines so far
        self.stops: dict[str, list[Stop]] = {}  # name of a job -> stops that are not written yet
        self.whole: set[str] = set()  # keys of trainings that reached their last epoch

    @property
    def cross_domain_at(self) -> list[int]:
        """The epochs after which a trial must score the other vendors' validation images, which takes time."""
        compares = self.search["scheduler"] == "pareto_halving" and "val_cross_domain" in self.search["objectives"]
        return self.rungs if compares else []

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """STOP ends a trial with one job. In a trial with several, the worker reads the written stop of one of them."""
        job, configs = job_of(trial, result)
        if not self._is_behind(job, configs[0].training(), result):
            return TrialScheduler.CONTINUE
        self._stop(job, configs)
        return TrialScheduler.STOP if len(trial.config["jobs"]) == 1 else TrialScheduler.CONTINUE

    def _is_behind(self, job: str, training: TrialConfig, result: dict[str, Any]) -> bool:
        """Enter a report into the job's history, and compare it with the others of its group."""
        history = self.histories.setdefault(job, [])
        if not _is_new_epoch(result, history):
            return False
        history.append({name: result.get(name, math.nan) for name in LINE})
        if result[EPOCH] >= self.epochs:
            self.whole.add(training.key())
        if training.key() in self.whole:  # a rate that is scored later reports the epochs of its training again
            return False
        line = self._line(training, history[-1])
        decision = self._group(training, job).on_trial_result(None, Named(job), line)
        return decision != TrialScheduler.CONTINUE

    def _stop(self, job: str, configs: list[TrialConfig]) -> None:
        """Keep a Stop of every config that shares the training of the job's first one."""
        history = self.histories.pop(job)
        training = configs[0].training()
        reason = self._reason(training, history[-1])
        self.stops[job] = [Stop(config, reason, history) for config in configs if config.training() == training]

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        for job, _ in jobs_of(trial):
            self.histories.pop(job, None)

    def remember(self, training: TrialConfig, history: list[dict[str, float]]) -> None:
        """Enter a training of an earlier process into the rungs: Ray's own restore leaves them empty."""
        if training.epochs != self.epochs:
            return
        key = training.key()
        for line in history:  # on_trial_complete enters a value into Ray's schedulers without a decision
            self._group(training, key).on_trial_complete(None, Named(key), self._line(training, line))
            if line[EPOCH] >= self.epochs:
                self.whole.add(key)

    def _group(self, config: TrialConfig, name: str) -> Any:
        """The scheduler of the trials that ``config`` is compared with. It is told of the trial with this name."""
        group = self._compared(config)
        if group not in self.groups:
            self.groups[group] = self._scheduler()
        self.groups[group].on_trial_add(None, Named(name))
        return self.groups[group]

    def _compared(self, config: TrialConfig) -> tuple:
        """The values that trials of one group share."""
        settings = settings_of(config)
        return tuple(settings.get(name) for name in self.search["compare_within"])

    def _line(self, config: TrialConfig, line: dict[str, float]) -> dict[str, float]:
        """A line of a history with all the objectives. The rate is the nominal one, as there is no final mask yet."""
        return {**dict.fromkeys(LINE, math.nan), **line, "realised_rate": config.sampling_rate}

    def _scheduler(self) -> FIFOScheduler:
        factor = self.search["reduction_factor"]
        common = {"time_attr": EPOCH, "metric": METRIC, "mode": "max", "grace_period": self.rungs[0]}
        if self.search["scheduler"] == "asha":
            return ASHAScheduler(**common, max_t=self.epochs, reduction_factor=factor, stop_last_trials=False)
        if self.search["scheduler"] == "median":  # a finite slice would pause trials, and lose their process
            return MedianStoppingRule(**common, min_time_slice=math.inf)  # type: ignore[arg-type]  # no int is infinite
        return ParetoHalving(self.search["objectives"], self.rungs, factor)

    def _reason(self, config: TrialConfig, line: dict[str, float]) -> str:
        among = ", ".join(str(value) for value in self._compared(config)) or "all"
        cross = "" if math.isnan(line["val_cross_domain"]) else f", cross-domain {line['val_cross_domain']:.3f}"
        return (
            f"stopped by {self.search['scheduler']} after epoch {line[EPOCH]} of {self.epochs}: in-domain validation "
            f"{title_of(config)} {line[METRIC]:.3f}{cross}, behind the others of {among}"
        )


def _is_new_epoch(result: dict[str, Any], history: list[dict[str, float]]) -> bool:
    """Whether a report is of an epoch that is not in the history: a trial that lost its process repeats some."""
    epoch = result.get(EPOCH)
    if result.get("finished") or epoch is None:
        return False
    return not history or epoch > history[-1][EPOCH]


def early_stopping(space: Space, folder: RunFolder) -> EarlyStopping | None:
    """The scheduler that the space asks for, its rungs filled from the run folder; None for "none"."""
    if space.search["scheduler"] == "none":
        return None
    scheduler = EarlyStopping(space)
    judged = [(record.config.training(), record.history) for record in folder.readable_records()]
    judged += [(stop.config.training(), stop.history) for stop in folder.stops().values()]
    known = set()  # a training that is scored at many rates was compared once
    for training, history in judged:
        # a suggestion is judged by its first seed; on a grid every seed is a separate job
        if training.key() not in known and (space.search["sampler"] == "grid" or training.seed == 0):
            known.add(training.key())
            scheduler.remember(training, history)
    return scheduler
