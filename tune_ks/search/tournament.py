"""The tournament of a tuning: which trainings come next, rung by rung, by Optuna's successive halving.

The recipes, and how far each got, are read from the run folder: nothing else is kept. In Optuna a rung is a step of
1, REDUCTION, REDUCTION^2 ... of a trial. The default recipe always goes on: every other one is compared with it.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import SuccessiveHalvingPruner
from optuna.trial import TrialState

from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import seed_for
from tune_ks.planning.budget import (
    MORE_SEEDS,
    REDUCTION,
    RUNGS,
    Budget,
    Costs,
    choose_rungs,
    expected_seconds,
    rungs_of,
    search_seconds,
    seeds_that_fit,
)
from tune_ks.planning.candidates import Candidates, recipe_key, rounded
from tune_ks.planning.scoreboard import Scoreboard

optuna.logging.set_verbosity(optuna.logging.WARNING)  # without it every new study prints a line
SEED = 0  # so that the same results give the same next recipe
TRIES = 64  # when so many draws in a row were made before, there is hardly another recipe
FIRST_DRAWS = 8  # recipes before TPE learns from them


@dataclass
class Contestant:
    """A recipe, its trial in Optuna, and the number of the rung that it is trained for."""

    recipe: dict[str, Any]
    trial: optuna.trial.Trial
    rung: int = 0
    is_out: bool = False  # it goes no further: behind the others, failed, or at its end


class Tournament:
    """Queues rungs of recipes that go on, then new recipes drawn from ``distributions``, at last seeds of the best.

    ``too_short`` is the error where the budget does not even allow one comparison.
    """

    def __init__(
        self, candidates: Candidates, folder: RunFolder, budget: Budget, distributions: dict[str, BaseDistribution]
    ) -> None:
        self.candidates = candidates
        self.folder = folder
        self.budget = budget
        self.distributions = distributions
        self.board = Scoreboard(candidates)
        for record in self.board.read(folder):
            budget.costs.enter(record)
        self.earlier = set(folder.keys())  # keys of the trainings that earlier commands began
        self.study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(
                seed=seed_for(SEED, "recipes", len(self.board.recipes)) % 2**31, n_startup_trials=FIRST_DRAWS
            ),
            pruner=SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION),
        )
        self.contestants: dict[str, Contestant] = {}  # key of a recipe -> its state
        self.rungs: list[int] = []
        self.too_short = ""
        self.queue: deque[list[TrialConfig]] = deque()  # jobs of one training
        self.queued: set[str] = set()  # keys of all trainings that were ever queued here
        self.stages = self._stages()

    def next_job(self) -> list[TrialConfig] | None:
        """None where the next training depends on one that still runs; where none runs, at the end."""
        if not self.queue:
            next(self.stages, None)
        return self.queue.popleft() if self.queue else None

    def end(self, config: TrialConfig, failed: str) -> None:
        """Learn how a training ended: with a record, ``failed`` for a reason, or lost with its process."""
        if self.folder.is_finished(config.key()):
            record = self.folder.read_record(config.key())
            self.board.enter(record)
            self.budget.costs.enter(record)
        elif failed:
            self.board.enter_failure(config, failed)
        contestant = self.contestants.get(recipe_key(config))
        if contestant is not None and config.seed == 0:
            self._advance(contestant)

    def _stages(self) -> Iterator[None]:
        """The stages of a tuning, one after the other. At a ``yield`` it waits until the queue is empty."""
        first = self.candidates.trainings(self.candidates.default, rungs_of(self.candidates.epochs, RUNGS)[0])
        self._queue(self.board.missing(self.candidates.default, first[0].epochs))
        while self.queue or self.budget.running:
            yield
        if not self._choose_rungs(first):
            return
        self._restore()
        if self.queue:
            yield
        while self._try_another():
            yield
        while self.budget.running:
            yield
        self._queue_seeds()

    def _choose_rungs(self, first: list[TrialConfig]) -> bool:
        """Choose them by the time of the ``first`` trainings alone, so that a resumed tuning has the same ones.

        False where these trainings failed, or the time is too short.
        """
        score = self.board.score(self.candidates.default, first[0].epochs)
        if score is None or math.isnan(score.value):
            return False
        costs = Costs(self.budget.costs.slots)
        for config in first:
            costs.enter(self.folder.read_record(config.key()))
        pace = costs.pace(self.candidates)
        if len(self.earlier) <= len(first):
            self.too_short = self.budget.too_short(self.candidates.epochs, pace)
        if self.too_short:
            return False
        self.rungs = choose_rungs(self.candidates.epochs, pace, search_seconds(self.budget.seconds))
        return True

    def _restore(self) -> None:
        """Enter the default, and the recipes that an earlier command began.

        Those that are farthest come first, then the rest from the worst to the best: so each is compared with all that
        are better, and the first ones do not go on for lack of others.
        """
        self._enter(self.candidates.default)
        begun = []
        for key, recipe in self.board.recipes.items():
            rungs = [number for number in range(len(self.rungs)) if self._was_begun(recipe, number)]
            if rungs and key not in self.contestants:
                score = self.board.score(recipe, self.rungs[0])
                value = -math.inf if score is None or math.isnan(score.value) else score.value
                begun.append((-max(rungs), value, key))
        for _, _, key in sorted(begun):
            self._enter(self.board.recipes[key])

    def _was_begun(self, recipe: dict[str, Any], rung: int) -> bool:
        """Whether an earlier command began to train the recipe for this rung."""
        return any(config.key() in self.earlier for config in self.candidates.trainings(recipe, self.rungs[rung]))

    def _try_another(self) -> bool:
        """Enter a recipe of START that was not tried yet, or one that Optuna draws; False when the time is over.

        Time is kept for more seeds of the best recipes, but first there must be two recipes.
        """
        expected = expected_seconds(self.rungs, self.budget.costs.pace(self.candidates))
        kept = self.budget.seconds - search_seconds(self.budget.seconds) if len(self.contestants) > 1 else 0.0
        if self.budget.left(self.queue) - kept < expected:
            return False
        for recipe in self.candidates.starts:
            if self.candidates.key(recipe) not in self.board.recipes:
                self._enter(recipe)
                return True
        for _ in range(TRIES):
            trial = self.study.ask(self.distributions)
            recipe = rounded(trial.params)
            if self.candidates.key(recipe) not in self.board.recipes:
                self._enter(recipe, trial)
                return True
            self.study.tell(trial, state=TrialState.FAIL)
        return False

    def _enter(self, recipe: dict[str, Any], trial: optuna.trial.Trial | None = None) -> None:
        """Let a recipe take part, from its first rung."""
        if trial is None:
            self.study.enqueue_trial(recipe)
            trial = self.study.ask(self.distributions)
        key = self.candidates.key(recipe)
        self.board.recipes[key] = recipe
        self.contestants[key] = Contestant(recipe, trial)
        self._advance(self.contestants[key])

    def _advance(self, contestant: Contestant) -> None:
        """Queue what its rung lacks. Where that is nothing, tell Optuna its value; it goes on, or is out."""
        while not contestant.is_out:
            epochs = self.rungs[contestant.rung]
            score = self.board.score(contestant.recipe, epochs)
            if score is None:
                self._queue(self.board.missing(contestant.recipe, epochs))
                return
            contestant.is_out = not self._goes_on(contestant, score.value)
            contestant.rung += 1

    def _goes_on(self, contestant: Contestant, value: float) -> bool:
        """Tell Optuna the value at this rung; whether the recipe goes on to another one."""
        trial = contestant.trial
        if math.isnan(value):
            self.study.tell(trial, state=TrialState.FAIL)
            return False
        trial.report(value, REDUCTION**contestant.rung)
        if contestant.rung == len(self.rungs) - 1:
            self.study.tell(trial, value)
            return False
        is_behind = trial.should_prune()
        following = contestant.rung + 1
        is_default = contestant.recipe == self.candidates.default
        if is_default or self._was_begun(contestant.recipe, following):
            return True
        trainings = self.candidates.trainings(contestant.recipe, self.rungs[following])
        if is_behind or self.budget.costs.together(trainings) > self.budget.left(self.queue):
            self.study.tell(trial, state=TrialState.PRUNED)
            return False
        return True

    def _queue_seeds(self) -> None:
        """More seeds of the default and of the best other recipes, as many as the time allows."""
        others = [recipe for recipe, _ in self.board.ranked(self.candidates.epochs)]
        if self.candidates.default not in others:
            return
        others.remove(self.candidates.default)
        finalists = [self.candidates.default, *others]
        seconds = []
        for recipe in finalists:
            missing = [self.board.missing(recipe, self.candidates.epochs, seed) for seed in MORE_SEEDS]
            seconds.append([self.budget.costs.together(configs) for configs in missing])
        count, seeds = seeds_that_fit(seconds, self.budget.left(self.queue))
        for seed in seeds:
            for recipe in finalists[: count + 1]:
                self._queue(self.board.missing(recipe, self.candidates.epochs, seed))

    def _queue(self, configs: list[TrialConfig]) -> None:
        """Queue trainings, each once."""
        for config in configs:
            if config.key() not in self.queued:
                self.queued.add(config.key())
                self.queue.append([config])
