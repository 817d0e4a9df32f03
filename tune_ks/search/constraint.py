"""The constraint of a search: in-domain at least as good as full sampling less a loss; validation scores only.

Optuna calls a trial feasible where all constraint values are 0 or less. A value can be set once, so a trial is told
only when a training at full sampling has ended; until then it waits, and the sampler counts it as running.
"""

import math
from collections.abc import Callable

from optuna.trial import FrozenTrial, Trial

NAME = "in-domain loss"


class InDomainConstraint:
    """``loss``: by how much the in-domain validation metric may lie below full sampling's."""

    def __init__(self, loss: float) -> None:
        self.loss = loss
        self.full = math.nan  # the best in-domain metric of full sampling so far
        self.waiting: list[tuple[Trial | FrozenTrial, float, Callable[[], object]]] = []

    def enter(self, trial: Trial | FrozenTrial, in_domain: float, tell: Callable[[], object]) -> None:
        """A trial that ended with a value: ``tell`` it to the study as soon as full sampling is known."""
        if trial.params["sampling_rate"] == 1 and not self.full >= in_domain:
            self.full = in_domain
        self.waiting.append((trial, in_domain, tell))
        if not math.isnan(self.full):
            self._tell_waiting()

    def _tell_waiting(self) -> None:
        for trial, in_domain, tell in self.waiting:
            trial.set_constraint(NAME, self.full - self.loss - in_domain)
            tell()
        self.waiting = []
