"""What fits into the minutes of a tuning: how many rungs, how many recipes, which seeds; and the budget of one.

A rung is a number of epochs after which recipes are compared: one in REDUCTION of them goes on to the next rung. Every
rung is a whole training with a schedule of its own, because a learning rate that has not come down yet says little
about the end. All times are seconds of the clock, with several trainings at once.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from statistics import fmean
from typing import NamedTuple

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.planning.candidates import Candidates

REDUCTION = 3  # of the recipes at a rung, one in so many goes on
RUNGS = 3  # at most
RECIPES = 9  # with fewer rungs each recipe is judged better, but so many recipes shall fit
SEEDS_SHARE = 0.3  # of the minutes: kept for more seeds of the best recipes
FINALISTS = 3  # recipes that are trained with more seeds, beside the default
MORE_SEEDS = (1, 2)
SCORING_EPOCHS = 2  # of a record that does not say how long an epoch took: scoring took about so many epochs


class Pace(NamedTuple):
    """Seconds of an epoch, and of what comes once in a training: opening the data, scoring every image at the end."""

    epoch: float
    once: float

    def of(self, epochs: int) -> float:
        """Seconds of a training of so many epochs."""
        return epochs * self.epoch + self.once


class Costs:
    """Seconds that trainings take, from those that have ended.

    A training is compared with those of the same network and vendor, else with those of the vendor, else with all.
    ``slots`` of them run at once.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.paces: dict[tuple, list[Pace]] = {}

    def enter(self, record: TrialRecord) -> None:
        """Learn from a finished training."""
        if record.seconds:
            for group in _groups(record.config):
                self.paces.setdefault(group, []).append(pace_of(record, record.seconds))

    def seconds(self, config: TrialConfig) -> float:
        """Seconds of one training; NaN where nothing has ended yet."""
        for group in _groups(config):
            known = self.paces.get(group)
            if known:
                return fmean(pace.epoch for pace in known) * config.epochs + fmean(pace.once for pace in known)
        return math.nan

    def together(self, configs: Sequence[TrialConfig]) -> float:
        """Seconds of several trainings, ``slots`` at once."""
        return seconds_together(map(self.seconds, configs), self.slots)

    def pace(self, candidates: Candidates) -> Pace:
        """The pace of all trainings of the default recipe together."""
        return pace_of_default(candidates, self.seconds, self.slots)


def pace_of_default(candidates: Candidates, seconds: Callable[[TrialConfig], float], slots: int) -> Pace:
    """The pace of all trainings of the default recipe, ``slots`` at once; ``seconds``: of one, linear in its epochs."""
    of_one_epoch = seconds_together(map(seconds, candidates.trainings(candidates.default, 1)), slots)
    of_two_epochs = seconds_together(map(seconds, candidates.trainings(candidates.default, 2)), slots)
    epoch = of_two_epochs - of_one_epoch
    return Pace(epoch, of_one_epoch - epoch)


def pace_of(record: TrialRecord, seconds: float) -> Pace:
    """Seconds of an epoch of a finished training, and the rest of its ``seconds``."""
    epochs = record.config.epochs
    epoch = record.facts.get("epoch_seconds") or seconds / (epochs + SCORING_EPOCHS)
    return Pace(epoch, max(0.0, seconds - epochs * epoch))


def _groups(config: TrialConfig) -> list[tuple]:
    """The groups whose trainings take as long for an epoch as this one, from the narrowest to the widest."""
    network = (config.classifier, config.options.get("width"), config.augment, config.is_full)
    return [(config.vendor, *network), (config.vendor, *network[:2]), (config.vendor,), ()]


def seconds_together(seconds: Iterable[float], slots: int) -> float:
    """Seconds until trainings of these ``seconds`` have ended, ``slots`` at once: not less than the longest takes."""
    seconds = list(seconds)
    return max(sum(seconds) / slots, *seconds) if seconds else 0.0


def rungs_of(epochs: int, count: int) -> list[int]:
    """The epochs of ``count`` rungs that end with ``epochs``: [3, 8, 24] for 24 and 3."""
    return sorted({max(1, round(epochs / REDUCTION**number)) for number in range(count)})


def path_seconds(rungs: Sequence[int], pace: Pace) -> float:
    """Seconds of a recipe that reaches the last rung; ``pace`` is that of all its trainings together."""
    return sum(pace.of(rung) for rung in rungs)


def expected_seconds(rungs: Sequence[int], pace: Pace) -> float:
    """Mean seconds of a recipe: each rung is reached by one in REDUCTION of the recipes of the rung before."""
    return sum(pace.of(rung) / REDUCTION**number for number, rung in enumerate(rungs))


def choose_rungs(epochs: int, pace: Pace, seconds: float) -> list[int]:
    """The fewest rungs with which RECIPES recipes fit into the ``seconds`` of the search; otherwise the most rungs.

    Where the time is so short that two recipes cannot take all these rungs, they are trained to the end at once.
    """
    if 2 * path_seconds(rungs_of(epochs, RUNGS), pace) > seconds:
        return [epochs]
    for count in range(1, RUNGS):
        rungs = rungs_of(epochs, count)
        if RECIPES * expected_seconds(rungs, pace) <= seconds:
            return rungs
    return rungs_of(epochs, RUNGS)


def recipes_that_fit(rungs: Sequence[int], pace: Pace, seconds: float) -> int:
    """About how many recipes can be compared: the default goes to the last rung, the others as far as they get."""
    others = seconds - path_seconds(rungs, pace)
    return 1 + max(0, math.floor(others / expected_seconds(rungs, pace)))


def least_seconds(epochs: int, pace: Pace) -> float:
    """The least that a tuning needs: the default and one other recipe, trained to the end."""
    return 2 * pace.of(epochs)


def search_seconds(seconds: float) -> float:
    """The part of the time in which new recipes are tried; the rest is for more seeds of the best ones."""
    return (1 - SEEDS_SHARE) * seconds


def seeds_that_fit(seconds_each: Sequence[Sequence[float]], seconds: float) -> tuple[int, tuple[int, ...]]:
    """(how many other recipes beside the default, which seeds) are trained at the end.

    ``seconds_each`` holds, for the default and then for the other recipes, best first, the seconds of each of
    MORE_SEEDS. All seeds of few recipes go before one seed of many: without a scatter between seeds no difference means
    anything. (0, ()) where not even one seed of the default and of the best other recipe fits.
    """
    for count in range(len(MORE_SEEDS), 0, -1):
        for others in range(min(FINALISTS, len(seconds_each) - 1), 0, -1):
            needed = sum(sum(of_recipe[:count]) for of_recipe in seconds_each[: others + 1])
            if needed <= seconds:
                return others, MORE_SEEDS[:count]
    return 0, ()


class Running(NamedTuple):
    """A training that was handed out, and when."""

    config: TrialConfig
    since: float


class Budget:
    """The ``seconds`` of a tuning: what was used, what trainings cost, and what is left for more of them.

    ``now`` is a clock that showed ``begun`` when the tuning began, less the seconds that earlier commands used.
    """

    def __init__(self, seconds: float, slots: int, begun: float, now: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.begun = begun
        self.now = now
        self.costs = Costs(slots)
        self.running: dict[str, Running] = {}  # id -> a training that has not ended

    @property
    def used(self) -> float:
        return self.now() - self.begun

    def start(self, name: str, config: TrialConfig) -> None:
        """A training begins now; ``name`` is its id."""
        self.running[name] = Running(config, self.used)

    def end(self, name: str) -> TrialConfig:
        """The training that has ended."""
        return self.running.pop(name).config

    def left(self, queue: Iterable[Sequence[TrialConfig]]) -> float:
        """Seconds that are neither used nor needed by the running trainings and by the jobs of the ``queue``."""
        used = self.used
        busy = sum(self.costs.seconds(config) for config in chain.from_iterable(queue))
        for config, since in self.running.values():
            busy += max(0.0, self.costs.seconds(config) - (used - since))
        return self.seconds - used - busy / self.costs.slots

    def too_short(self, epochs: int, pace: Pace) -> str:
        """The error where the time does not even allow to compare the default with one other recipe; else ""."""
        used = self.used
        needed = least_seconds(epochs, pace)
        if needed <= self.seconds - used:
            return ""
        minutes = math.ceil(1.2 * (used + needed) / 60)
        return (
            f"--minutes {self.seconds / 60:g} is too short for these data: an epoch of one recipe (every source, both "
            f"rates, {self.costs.slots} trainings at once) takes {pace.epoch:.1f} s here, and the least that can be "
            f"compared is the default and one other recipe, both trained to epoch {epochs}. "
            f"--minutes {minutes} would do; what was trained is kept"
        )
