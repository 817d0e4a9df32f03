"""Early stopping: trials of one group (by default one vendor) are compared at the same epochs, and the worst end there.

ASHA and the median rule are Ray's own and read the in-domain validation metric alone. ``pareto_halving`` compares all
the objectives of the search (Schmucker et al., Multi-objective Asynchronous Successive Halving, 2021): what no other
trial dominates goes on, however low one of its values is.
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
from tune_ks.training.tasks import title_of
from tune_ks.worker.jobs import job_of, jobs_of

EPOCH, METRIC = "epoch", "val_in_domain"
LINE = (EPOCH, "loss", METRIC, "val_cross_domain")  # of a history: what a stopped trial leaves behind


class Named(NamedTuple):
    """All that Ray's schedulers read of a trial, here a job's name: also one of an earlier process has that."""

    trial_id: str


class ParetoHalving(FIFOScheduler):
    """Asynchronous successive halving by non-dominated rank.

    At each rung a trial stands among those that came there before it. It is stopped when 1 / ``reduction_factor`` of
    them or more have a better rank, so a trial on the front of its rung always goes on.
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
        return TrialScheduler.STOP if better * self.reduction_factor >= len(reached) else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._reach(result)

    def _reach(self, result: dict[str, Any]) -> bool:
        """Enter a rung; False between the rungs, and for a value that is not defined: it cannot be compared."""
        values = [result[name] for name in self.objectives]
        if result[EPOCH] not in self.reached or any(math.isnan(value) for value in values):
            return False
        self.reached[result[EPOCH]].append(values)
        return True


class EarlyStopping(FIFOScheduler):
    """One scheduler for each group of trials that may be compared; keeps the Stops of a job until they were written.

    Only results with an epoch are looked at: those of a job's first config. What is judged is its training, so a stop
    is one of every config of the job that shares it. A training that reached its last epoch is never stopped, so all
    that a stop costs was not yet paid for.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.search = space.search
        self.epochs = space.epochs()
        first = max(1, math.ceil(self.search["grace"] * self.epochs))
        factor = self.search["reduction_factor"]
        powers = (first * factor**power for power in range(self.epochs))
        self.rungs = [rung for rung in powers if rung < self.epochs]
        self.groups: dict[tuple, FIFOScheduler] = {}
        self.histories: dict[str, list[dict[str, float]]] = {}
        self.stops: dict[str, list[Stop]] = {}
        self.whole: set[str] = set()  # keys of trainings that reached their last epoch

    @property
    def cross_domain_at(self) -> list[int]:
        """The epochs after which a trial must score the other vendors' validation images, which takes long."""
        compares = self.search["scheduler"] == "pareto_halving" and "val_cross_domain" in self.search["objectives"]
        return self.rungs if compares else []

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """STOP ends a trial's only job. One of several leaves them: its worker looks for the stop that was written."""
        stopped = self._judge(*job_of(trial, result), result)
        return TrialScheduler.STOP if stopped and len(trial.config["jobs"]) == 1 else TrialScheduler.CONTINUE

    def _judge(self, job: str, configs: list[TrialConfig], result: dict[str, Any]) -> bool:
        """Whether the line makes a stop of the job, which is then kept."""
        epoch = result.get(EPOCH)
        history = self.histories.setdefault(job, [])
        if result.get("finished") or epoch is None or (history and epoch <= history[-1][EPOCH]):
            return False  # a trial that lost its process repeats the epochs that it had reported
        history.append({name: result.get(name, math.nan) for name in LINE})
        training = configs[0].training()
        if epoch >= self.epochs:
            self.whole.add(training.key())
        if training.key() in self.whole:  # a rate that is scored later reports the epochs of its training again
            return False
        group, line = self._group(training, job), self._line(training, history[-1])
        if group.on_trial_result(None, Named(job), line) == TrialScheduler.CONTINUE:
            return False
        reason, history = self._reason(training, history[-1]), self.histories.pop(job)
        self.stops[job] = [Stop(one, reason, history) for one in configs if one.training() == training]
        return True

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        for job, _ in jobs_of(trial):
            self.histories.pop(job, None)

    def remember(self, training: TrialConfig, history: list[dict[str, float]]) -> None:
        """Fill the rungs with a training of an earlier process: Ray's own restore leaves them empty."""
        if training.epochs != self.epochs:
            return
        one = Named(training.key())
        for line in history:  # a trial's last result enters Ray's schedulers without a decision
            self._group(training, one.trial_id).on_trial_complete(None, one, self._line(training, line))
            if line[EPOCH] >= self.epochs:
                self.whole.add(one.trial_id)

    def _group(self, config: TrialConfig, name: str) -> FIFOScheduler:
        """The scheduler of those that ``config`` is compared with; it knows the job of that name."""
        group = tuple(getattr(config, name) for name in self.search["compare_within"])
        if group not in self.groups:
            self.groups[group] = self._scheduler()
        self.groups[group].on_trial_add(None, Named(name))
        return self.groups[group]

    def _line(self, config: TrialConfig, line: dict[str, float]) -> dict[str, float]:
        """A line of a history with all the objectives: the rate is the nominal one before there is a mask."""
        return {**dict.fromkeys(LINE, math.nan), **line, "realised_rate": config.sampling_rate}

    def _scheduler(self) -> FIFOScheduler:
        factor, first = self.search["reduction_factor"], self.rungs[0]
        common = {"time_attr": EPOCH, "metric": METRIC, "mode": "max", "grace_period": first}
        if self.search["scheduler"] == "asha":
            return ASHAScheduler(**common, max_t=self.epochs, reduction_factor=factor, stop_last_trials=False)
        if self.search["scheduler"] == "median":  # without the slice it would pause trials, which loses their actor
            return MedianStoppingRule(**common, min_time_slice=math.inf)
        return ParetoHalving(self.search["objectives"], self.rungs, factor)

    def _reason(self, config: TrialConfig, line: dict[str, float]) -> str:
        among = ", ".join(str(getattr(config, name)) for name in self.search["compare_within"]) or "all"
        cross = "" if math.isnan(line["val_cross_domain"]) else f", cross-domain {line['val_cross_domain']:.3f}"
        return (
            f"stopped by {self.search['scheduler']} after epoch {line[EPOCH]} of {self.epochs}: in-domain validation "
            f"{title_of(config)} {line[METRIC]:.3f}{cross}, behind the others of {among}"
        )


def early_stopping(space: Space, folder: RunFolder) -> EarlyStopping | None:
    """The scheduler that the space asks for, its rungs filled from RUN; None for "none"."""
    if space.search["scheduler"] == "none":
        return None
    scheduler = EarlyStopping(space)
    judged = [(record.config.training(), record.history) for record in folder.records()]
    judged += [(stop.config.training(), stop.history) for stop in folder.stops().values()]
    known = set()  # a training that is scored at many rates is one of those that are compared
    for training, history in judged:
        # a suggestion is judged by its first seed; on a grid every seed is a job of its own
        if training.key() not in known and (space.search["sampler"] == "grid" or training.seed == 0):
            known.add(training.key())
            scheduler.remember(training, history)
    return scheduler
