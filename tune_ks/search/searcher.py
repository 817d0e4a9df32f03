"""Ray's searcher: hands out the jobs of a plan, then Optuna's suggestions. Its studies are rebuilt from records."""

import itertools
import math
import warnings
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import seed_for
from tune_ks.planning.plan import Plan, all_seeds, belongs, config_at, suggestions_in
from tune_ks.planning.space import OBJECTIVES, Block, Space
from tune_ks.search.constraint import InDomainConstraint
from tune_ks.training.members import settings_of
from tune_ks.training.pack import pack_key
from tune_ks.worker.jobs import objectives_of
from tune_ks.worker.work import TrialWork

optuna.logging.set_verbosity(optuna.logging.WARNING)  # without it every new study prints a line
TRIES = 64  # when so many suggestions in a row were made before, there is hardly another one
IN_DOMAIN = "val_in_domain"  # the objective that a constraint is about
SEED = 0  # of every search, so that its run folder alone says what was drawn

SAMPLERS = {
    "random": optuna.samplers.RandomSampler,
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "qmc": optuna.samplers.QMCSampler,
    "gp": optuna.samplers.GPSampler,
}


class PointStudy:
    """Optuna's study of one point of the grid.

    The ``known`` configs enter it with their results. The first suggestions are the start points of the run folder.
    """

    def __init__(self, point: Block, space: Space, known: list[list[TrialConfig]], folder: RunFolder) -> None:
        self.point = point
        self.objectives = space.search["objectives"]
        self.distributions = OptunaSearch.convert_search_space(point.drawn)
        of_point = [configs for configs in known if belongs(configs[0], point)]
        self.asked = len(of_point)
        directions = [OBJECTIVES[name] for name in self.objectives]
        self.study = optuna.create_study(directions=directions, sampler=self._sampler(space.search["sampler"]))
        loss = space.search["in_domain_loss"]
        self.constraint = None if loss is None else InDomainConstraint(loss)
        # full sampling first: every constraint is then the one against the best of it
        for configs in sorted(of_point, key=lambda configs: not configs[0].is_full):
            self._add_past(configs, folder, space.search["seeds"])
        starts = folder.read_search().get("start_points", [])
        known_rates = {configs[0].sampling_rate for configs in of_point}
        self.starts = deque(self._open_start_points(starts, known_rates))

    def params(self, config: TrialConfig) -> dict[str, Any]:
        """The values of a config that Optuna draws."""
        settings = settings_of(config)
        return {name: settings[name] for name in self.distributions}

    def ask(self, config: TrialConfig | None = None) -> optuna.trial.Trial:
        """The given config as if Optuna had suggested it; otherwise the next start point, or Optuna's suggestion."""
        if config is not None:
            self.study.enqueue_trial(self.params(config))
        elif self.starts:
            rate, why = self.starts.popleft()
            self.study.enqueue_trial({"sampling_rate": rate}, user_attrs={"start_point": why})
        return self.study.ask(self.distributions)

    def ask_new(self, known: set[str]) -> tuple[TrialConfig, optuna.trial.Trial] | None:
        """A suggestion that was never made before, as its first seed's config; None where there is hardly one left.

        Where values are discrete a sampler may repeat itself; then points drawn at random take its place.
        """
        sampler = self.study.sampler
        new = None
        for attempt in range(TRIES):
            if attempt == TRIES // 2:
                self.study.sampler = optuna.samplers.RandomSampler(seed=_seed_for("again", self.asked))
            suggestion = self.ask()
            config = config_at(self.point, suggestion.params, 0)
            if config.key("seed") not in known:
                self.asked += 1
                new = config, suggestion
                break
            self.study.tell(suggestion, state=TrialState.FAIL)
        self.study.sampler = sampler
        return new

    def tell(self, suggestion: optuna.trial.Trial, result: dict[str, Any] | None) -> None:
        """Tell Optuna how a job ended.

        ``result``: its final report, its last epoch where a scheduler stopped it, None where its process died. NaN
        counts as a failure, because Optuna would wait for a value for ever. A stopped job counts as pruned, without
        values: those of half a training are not those of a whole one.
        """
        result = result or {"failed": "no result"}
        values = [result.get(name, math.nan) for name in self.objectives]
        in_domain = result.get(IN_DOMAIN, math.nan)
        needed = values if self.constraint is None else [*values, in_domain]
        undefined = any(math.isnan(value) for value in needed)
        if result.get("failed") or (result.get("finished") and undefined):
            self.study.tell(suggestion, state=TrialState.FAIL)
        elif not result.get("finished"):
            self.study.tell(suggestion, state=TrialState.PRUNED)
        elif self.constraint is None:
            self.study.tell(suggestion, values)
        else:
            self.constraint.enter(suggestion, in_domain, partial(self.study.tell, suggestion, values))

    def _sampler(self, name: str) -> optuna.samplers.BaseSampler:
        """The number of known suggestions enters its seed: after an extension the same one would repeat its points."""
        fixed = sorted(str(item) for item in self.point.fixed.items())
        with warnings.catch_warnings():  # NSGA-III and QMC are called experimental; the tests cover all of them
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return SAMPLERS[name](seed=_seed_for("sampler", *fixed, self.asked))

    def _add_past(self, configs: list[TrialConfig], folder: RunFolder, seeds: int) -> None:
        """Enter an earlier suggestion into the study; not where it has not ended, or has no value."""
        asked: dict[str, Any] = {"params": self.params(configs[0]), "distributions": self.distributions}
        if any(folder.is_stopped(config.key()) for config in configs):
            self.study.add_trial(create_trial(state=TrialState.PRUNED, **asked))
            return
        finished = [config.key() for config in configs if folder.is_finished(config.key())]
        records = [record for record in map(folder.readable_record, finished) if record is not None]
        if len(records) < seeds:
            return
        names = self.objectives if self.constraint is None else [*self.objectives, IN_DOMAIN]
        means = []
        for name in names:
            values = [objectives_of(record)[name] for record in records]
            means.append(sum(values) / len(values))
        if any(math.isnan(mean) for mean in means):
            return
        past = create_trial(values=means[: len(self.objectives)], **asked)
        if self.constraint is None:
            self.study.add_trial(past)
        else:
            self.constraint.enter(past, means[-1], partial(self.study.add_trial, past))

    def _open_start_points(self, starts: list[dict[str, Any]], known: set[float]) -> Iterator[tuple[float, str]]:
        """(rate, why) of the start points that were not asked for yet."""
        for start in starts:
            rate = nearest(self.distributions.get("sampling_rate"), start["sampling_rate"])
            if rate is not None and rate not in known:
                known.add(rate)
                yield rate, start["why"]


class JobSearcher(Searcher):
    """Hands out the jobs of a plan, then Optuna's suggestions, from one study for each point of the grid.

    Ray's OptunaSearch knows one study, one metric dictionary and no lists of seeds. This searcher keeps its conversion
    of ranges, and adds two things: known records enter the study, and a suggestion is a job of all its seeds.
    ``work`` is what every trial is given; ``points`` of a grid may share a trial.
    """

    def __init__(
        self, plan: Plan, space: Space, folder: RunFolder, vendors: list[str], work: TrialWork, points: int = 1
    ) -> None:
        super().__init__(metric="val_in_domain", mode="max")
        self.points = points
        self.queue = deque(plan.jobs)
        self.suggestions = plan.suggestions  # that may still be asked of Optuna
        self.work = work
        self.seeds = space.search["seeds"]
        drawn_around = space.grid(vendors) if space.search["sampler"] != "grid" else []
        known = suggestions_in(folder) if drawn_around else []
        self.studies = [PointStudy(point, space, known, folder) for point in drawn_around]
        self.known = {configs[0].key("seed") for configs in known}
        self.asked: dict[str, tuple[PointStudy, optuna.trial.Trial]] = {}

    @property
    def left(self) -> int:
        """Number of jobs that were not handed out yet."""
        return len(self.queue) + self.suggestions

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # type: ignore[override]  # Ray's forgets FINISHED
        work = self._next_of_queue(trial_id) if self.queue else self._next_suggestion(trial_id)
        return Searcher.FINISHED if work is None else work.plain()

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id in self.asked:
            study, suggestion = self.asked.pop(trial_id)
            study.tell(suggestion, None if error else result)

    def _next_of_queue(self, trial_id: str) -> TrialWork:
        """The plan's next job. A suggestion of an earlier search enters its study; points of a grid may share it."""
        configs = self.queue.popleft()
        for study in self.studies:
            if belongs(configs[0], study.point):
                self.asked[trial_id] = (study, study.ask(configs[0]))
                return self.work.with_jobs([configs])
        return self.work.with_jobs([configs, *self._take_beside(configs)])

    def _next_suggestion(self, trial_id: str) -> TrialWork | None:
        """A new suggestion around the point that has the fewest; None where none is left."""
        studies = sorted(self.studies, key=lambda study: study.asked) if self.suggestions else []
        for study in studies:
            new = study.ask_new(self.known)
            if new is not None:
                config, suggestion = new
                self.suggestions -= 1
                self.known.add(config.key("seed"))
                self.asked[trial_id] = (study, suggestion)
                start_point = suggestion.user_attrs.get("start_point")
                return self.work.with_jobs([all_seeds([config], self.seeds)], start_point)
        self.suggestions = 0
        return None

    def _take_beside(self, configs: list[TrialConfig]) -> list[list[TrialConfig]]:
        """Take out of the queue the points of the grid that can train together with the given one."""
        kind = pack_key(configs[0]) if self.points > 1 and len(configs) == 1 else None
        if kind is None:
            return []
        alike = (job for job in self.queue if len(job) == 1 and pack_key(job[0]) == kind)
        taken = list(itertools.islice(alike, self.points - 1))  # the queue may be long: read no further than needed
        for job in taken:
            self.queue.remove(job)
        return taken

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its searcher into a state that nobody reads

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a search does not resume from Ray's snapshots."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as ``save``."""


def _seed_for(*purpose: str | int) -> int:
    """A seed that Optuna's samplers take: of 31 bits."""
    return seed_for(SEED, *purpose) % 2**31


def nearest(distribution: BaseDistribution | None, value: float) -> float | None:
    """The value closest to ``value`` that a distribution can draw; None where ``value`` lies outside its range."""
    if isinstance(distribution, CategoricalDistribution):
        return value if value in distribution.choices else None
    if not isinstance(distribution, FloatDistribution) or not distribution.low <= value <= distribution.high:
        return None
    if distribution.step is None:
        return value
    steps = round((value - distribution.low) / distribution.step)
    return min(distribution.high, distribution.low + steps * distribution.step)
