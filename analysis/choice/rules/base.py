"""What a selection rule is: what it reads of its candidates, the options it has, and the choice that it returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from analysis.choice.noninferior import Proof
from analysis.statistics.measures import Measure
from analysis.statistics.pareto import TWO

READ = ("in_domain", "cross_domain", "in_domain_se", "proof")  # what a rule may read
RESERVED = (  # names that no option of a rule may have: the other arguments of the command
    *("run", "rule", "members", "patients", "cross_fit", "metric", "prevalence", "images", "report", "figures"),
    *("watch", "serve", "port", "help", "version"),
)
SLACK = 1e-9  # of a metric: 0.902 - 0.024 must not lose to 0.878 in the last bit


@dataclass(frozen=True)
class Points:
    """The n candidates of one choice, as arrays: what a rule may read. NaN where a value is unknown.

    Whether ``in_domain`` and ``cross_domain`` are validation or test scores is not the rule's concern.
    """

    rate: np.ndarray  # (n,) realised
    in_domain: np.ndarray  # (n,) metric on the vendor trained on
    cross_domain: np.ndarray  # (n,) mean metric on the other vendors
    in_domain_se: np.ndarray  # (n,) standard error of ``in_domain``, not paired
    measure: Measure
    configuration: np.ndarray  # (n,) names, by which a proof says which candidate it is about
    proof: Proof | None = None  # what was proven on validation patients; None where the scores are of test patients
    in_domain_draws: np.ndarray | None = None  # (D, n) ``in_domain`` on resampled patients, the same for all n

    def gap_error(self, best: int) -> np.ndarray:
        """(n,) standard error of in_domain[best] - in_domain, paired by patient where there are draws.

        Without draws the errors are those of independent trainings, and their squares add up. 0 at ``best``.
        """
        if self.in_domain_draws is not None:
            return (self.in_domain_draws[:, best, None] - self.in_domain_draws).std(axis=0)
        error = np.hypot(self.in_domain_se, self.in_domain_se[best])
        error[best] = 0.0
        return error


class Pick(NamedTuple):
    """What a rule answers: the position of the chosen candidate, or None with the reason in the note."""

    row: int | None
    note: str = ""
    computed: dict[str, float] = {}  # noqa: RUF012 - read only; numbers beside the options that decided


class Option(NamedTuple):
    """A number that the user of a rule may set; its name is a keyword of the rule's function."""

    name: str
    default: float
    about: str  # one line for the command line
    is_a: str = "a difference of the metric"  # what kind of number, for the message about one out of range
    low: float = 0.0
    high: float = 1.0
    flag: str = ""  # on the command line, where it is not --NAME

    @property
    def words(self) -> str:
        """The flag on the command line."""
        return self.flag or f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class Rule:
    """One way to choose a rate.

    ``choose`` takes Points and the options as keywords. ``needs`` are names of READ: what it reads of the points.
    """

    choose: Callable[..., Pick]
    needs: tuple[str, ...]
    options: tuple[Option, ...] = field(default=())

    def pick(self, points: Points, values: Mapping[str, float]) -> Pick:
        """The choice; ``values`` holds the options of all rules by name."""
        return self.choose(points, **self.used(values))

    def used(self, values: Mapping[str, float]) -> dict[str, float]:
        """The values of this rule's options."""
        return {option.name: values[option.name] for option in self.options}

    @property
    def columns(self) -> tuple[str, ...]:
        """The scores that it reads: they decide whose labels a choice has seen."""
        return tuple(name for name in TWO if name in self.needs)

    @property
    def needs_proof(self) -> bool:
        """True for a rule whose choice is a test's result and no estimate.

        The test needs all validation patients. So such a rule chooses neither on test scores nor on half of the
        patients, and its choice has no interval.
        """
        return "proof" in self.needs

    @property
    def summary(self) -> str:
        """One sentence: what it chooses."""
        return (self.choose.__doc__ or "").splitlines()[0]


def near_best(values: np.ndarray, loss: float | np.ndarray) -> np.ndarray:
    """(n,) -> True where a value is at most ``loss`` (one, or (n,)) below the best one; False where it is NaN."""
    best = np.max(values, initial=-np.inf, where=np.isfinite(values))
    return values >= best - loss - SLACK


def smallest_rate(points: Points, good: np.ndarray) -> int:
    """The position of the smallest rate among the ``good`` (n,) ones; of equal rates, the better in-domain metric."""
    order = np.lexsort((-points.in_domain, points.rate))
    return int(order[good[order]][0])
