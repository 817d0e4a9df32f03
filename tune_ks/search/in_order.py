"""Trials start in the order in which they were added: Ray's FIFO scheduler, without its walk over all of a fit."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler


class InOrder(FIFOScheduler):
    """Chooses among the live trials only, which are few: those that run or wait.

    Ray's own looks at every trial of a fit, twice, in each step of its loop, and most of them have ended. At the end
    of a fit of 1,000 trials that took a quarter of the driver's time for an event (docs/cluster.md).
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, int] = {}  # id of a trial -> its place in the order
        self.added = 0

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Also called when a trial is tried again: then it goes to the end, as in Ray's list of trials."""
        self.places[trial.trial_id] = self.added
        self.added += 1

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The first trial that waits, else the first one that is paused; None where there is neither."""
        live = tune_controller.get_live_trials()
        for status in (Trial.PENDING, Trial.PAUSED):
            ready = [trial for trial in live if trial.status == status]
            if ready:
                return min(ready, key=lambda trial: self.places[trial.trial_id])
        return None
