"""Ray's searcher of a tuning: Optuna draws recipes, and its successive halving says which go on to the next rung.

The recipes, and how far each got, are read from the run folder: nothing else is kept. In Optuna a rung is a step of
1, REDUCTION, REDUCTION^2 ... of a trial. The default recipe always goes on: every other one is compared with it.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import optuna
from optuna.pruners import SuccessiveHalvingPruner
from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import seed_for
from tune_ks.planning.budget import (
    MORE_SEEDS,
    REDUCTION,
    RUNGS,
    Costs,
    Pace,
    choose_rungs,
    expected_seconds,
    least_seconds,
    rungs_of,
    search_seconds,
    seeds_that_fit,
)
from tune_ks.planning.candidates import Candidates, recipe_key, rounded
from tune_ks.planning.scoreboard import Scoreboard
from tune_ks.worker.work import TrialWork

optuna.logging.set_verbosity(optuna.logging.WARNING)  # without it every new study prints a line
SEED = 0  # so that the same results give the same next recipe
TRIES = 64  # when so many draws in a row were made before, there is hardly another recipe
FIRST_DRAWS = 8  # recipes before TPE learns from them
MANY = 10**6  # trials that may still come: a tuning is ended by its time
FIRST, TRYING, SEEDS, END = "first", "trying", "seeds", "end"  # the stages of a tuning


@dataclass
class Contestant:
    """A recipe, its trial in Optuna, and the number of the rung that it is trained for."""

    recipe: dict[str, Any]
    trial: optuna.trial.Trial
    rung: int = 0
    is_out: bool = False  # it goes no further: behind the others, failed, or at its end


class Running(NamedTuple):
    """A training that was handed out, and when."""

    config: TrialConfig
    since: float


class RecipeSearcher(Searcher):
    """Hands out one training at a time: rungs of recipes that go on, then new recipes, at last more seeds of the best.

    ``seconds`` are those of the whole tuning. ``clock`` gives those that are used up, by earlier commands too.
    ``too_short`` is the error where they do not even allow one comparison.
    """

    def __init__(
        self,
        candidates: Candidates,
        folder: RunFolder,
        work: TrialWork,
        slots: int,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(metric="val_in_domain", mode="max")
        self.candidates = candidates
        self.folder = folder
        self.work = work
        self.slots = slots
        self.seconds = seconds
        self.clock = clock
        self.board = Scoreboard(candidates)
        self.costs = Costs()
        self.first_costs = Costs()  # of the default's first rung alone, so that a resumed tuning has the same rungs
        self.queue: deque[list[TrialConfig]] = deque()
        self.queued: set[str] = set()  # keys of all trainings that were ever queued here
        self.running: dict[str, Running] = {}  # id of a Ray trial -> its training
        self.contestants: dict[str, Contestant] = {}  # key of a recipe -> its state
        self.rungs: list[int] = []
        self.stage = FIRST
        self.too_short = ""
        self.done = False
        self.first_trainings = candidates.trainings(candidates.default, rungs_of(candidates.epochs, RUNGS)[0])
        self.asked = self._read_folder()
        seed = seed_for(SEED, "recipes", len(self.board.recipes)) % 2**31
        self.study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST_DRAWS),
            pruner=SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION),
        )
        self.distributions = OptunaSearch.convert_search_space(candidates.drawn)

    @property
    def left(self) -> int:
        """Whether another training may come."""
        return 0 if self.done else MANY

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """None while the next training depends on one that still runs."""
        if not self.queue:
            self._fill()
        if self.queue:
            job = self.queue.popleft()
            self.running[trial_id] = Running(job[0], self.clock())
            return self.work.with_jobs([job]).plain()
        if self.running:
            return None
        self.done = True
        return Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id not in self.running:
            return
        config = self.running.pop(trial_id).config
        if self.folder.is_finished(config.key()):
            self._enter_record(self.folder.read_record(config.key()))
        elif result is not None and result.get("failed"):
            self.board.enter_failure(config, result["failed"])
        contestant = self.contestants.get(recipe_key(config))
        if contestant is not None and config.seed == 0:
            self._advance(contestant)

    def left_seconds(self) -> float:
        """Until the time is up, less what the queued and the running trainings still need."""
        now = self.clock()
        busy = sum(self.costs.seconds(config) for job in self.queue for config in job)
        for config, since in self.running.values():
            busy += max(0.0, self.costs.seconds(config) - (now - since))
        return self.seconds - now - busy / self.slots

    def _read_folder(self) -> set[str]:
        """Enter what the run folder holds; returns the keys of all trainings that were begun there."""
        for record in self.folder.readable_records():
            self._enter_record(record)
        for key, reason in self.folder.failures().items():
            self.board.enter_failure(self.folder.read_config(key), reason)
        return set(self.folder.keys())

    def _enter_record(self, record: TrialRecord) -> None:
        self.board.enter(record)
        self.costs.enter(record)
        if record.config in self.first_trainings:
            self.first_costs.enter(record)

    def _fill(self) -> None:
        """Queue what comes next, if that is known by now."""
        if self.stage == FIRST:
            self._begin()
        if self.stage == TRYING and not self.queue:
            self._try_another()
        if self.stage == SEEDS and not self.queue and not self.running:
            self._queue_seeds()

    def _begin(self) -> None:
        """Train the default's first rung. How long it takes decides on the rungs; then earlier recipes go on."""
        self._queue(self.board.missing(self.candidates.default, self.first_trainings[0].epochs))
        if self.queue or self.running:
            return
        pace = self.first_costs.pace(self.candidates, self.slots)
        score = self.board.score(self.candidates.default, self.first_trainings[0].epochs)
        self.stage = END
        if score is None or math.isnan(score.value):  # the default failed
            return
        is_new = len(self.asked) <= len(self.first_trainings)
        self.too_short = self._said_too_short(pace) if is_new else ""
        if self.too_short:
            return
        self.rungs = choose_rungs(self.candidates.epochs, pace, search_seconds(self.seconds))
        self.stage = TRYING
        self._restore()

    def _said_too_short(self, pace: Pace) -> str:
        """The error where the time does not even allow to compare the default with one other recipe; else ""."""
        needed = least_seconds(self.candidates.epochs, pace)
        if needed <= self.seconds - self.clock():
            return ""
        minutes = math.ceil(1.2 * (self.clock() + needed) / 60)
        return (
            f"--minutes {self.seconds / 60:g} is too short for these data: an epoch of one recipe (every source, both "
            f"rates, {self.slots} trainings at once) takes {pace.epoch:.1f} s here, and the least that can be compared "
            f"is the default and one other recipe, both trained to epoch {self.candidates.epochs}. "
            f"--minutes {minutes} would do; what was trained is kept"
        )

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
        return any(config.key() in self.asked for config in self.candidates.trainings(recipe, self.rungs[rung]))

    def _try_another(self) -> None:
        """A recipe of START that was not tried yet, or one that Optuna draws; none when the time for that is over.

        Time is kept for more seeds of the best recipes, but first there must be two recipes.
        """
        expected = expected_seconds(self.rungs, self.costs.pace(self.candidates, self.slots))
        kept = self.seconds - search_seconds(self.seconds) if len(self.contestants) > 1 else 0.0
        if self.left_seconds() - kept < expected:
            self.stage = SEEDS
            return
        for recipe in self.candidates.starts:
            if self.candidates.key(recipe) not in self.board.recipes:
                self._enter(recipe)
                return
        for _ in range(TRIES):
            trial = self.study.ask(self.distributions)
            recipe = rounded(trial.params)
            if self.candidates.key(recipe) not in self.board.recipes:
                self._enter(recipe, trial)
                return
            self.study.tell(trial, state=TrialState.FAIL)
        self.stage = SEEDS

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
            missing = self.board.missing(contestant.recipe, epochs)
            if missing:
                self._queue(missing)
                return
            score = self.board.score(contestant.recipe, epochs)
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
        if is_behind or self.costs.together(trainings, self.slots) > self.left_seconds():
            self.study.tell(trial, state=TrialState.PRUNED)
            return False
        return True

    def _queue_seeds(self) -> None:
        """More seeds of the default and of the best other recipes, as many as the time allows."""
        self.stage = END
        others = [recipe for recipe, _ in self.board.ranked(self.candidates.epochs)]
        if self.candidates.default not in others:
            return
        others.remove(self.candidates.default)
        finalists = [self.candidates.default, *others]
        seconds = []
        for recipe in finalists:
            missing = [self.board.missing(recipe, self.candidates.epochs, seed) for seed in MORE_SEEDS]
            seconds.append([self.costs.together(configs, self.slots) for configs in missing])
        count, seeds = seeds_that_fit(seconds, self.left_seconds())
        for seed in seeds:
            for recipe in finalists[: count + 1]:
                self._queue(self.board.missing(recipe, self.candidates.epochs, seed))

    def _queue(self, configs: list[TrialConfig]) -> None:
        """Queue trainings, each once."""
        for config in configs:
            if config.key() not in self.queued:
                self.queued.add(config.key())
                self.queue.append([config])

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its searcher into a state that nobody reads

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a tuning does not resume from Ray's snapshots."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as ``save``."""
