"""Ray's searcher: hands out the plan's jobs, then what Optuna suggests, and rebuilds Optuna's studies from RUN."""

import itertools
import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import seed_for
from tune_ks.planning.plan import Plan, all_seeds, belongs, config_at, suggestions_in
from tune_ks.planning.space import OBJECTIVES, Block, Space
from tune_ks.training.pack import pack_key

TRIES = 64  # suggestions that were all made before: then there is hardly another

SAMPLERS = {
    "random": optuna.samplers.RandomSampler,
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "qmc": optuna.samplers.QMCSampler,
    "gp": optuna.samplers.GPSampler,
}


class PointStudy:
    """Optuna's study of one point of the grid: ``known`` configs enter it as they ended, then come the start points."""

    def __init__(
        self, point: Block, space: Space, known: list[list[TrialConfig]], folder: RunFolder, seed: int = 0
    ) -> None:
        self.point, self.seed = point, seed
        self.objectives = space.search["objectives"]
        self.distributions = OptunaSearch.convert_search_space(point.drawn)
        mine = [configs for configs in known if belongs(configs[0], point)]
        self.asked = len(mine)
        # after an extension the same seed would propose the same points again, so the count of known ones enters it
        drawn_by = seed_for(seed, "sampler", *sorted(map(str, point.fixed.items())), len(mine)) % 2**31
        with warnings.catch_warnings():  # NSGA-III and QMC are called experimental; every one is tested here
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = SAMPLERS[space.search["sampler"]](seed=drawn_by)
        self.study = optuna.create_study(directions=[OBJECTIVES[name] for name in self.objectives], sampler=sampler)
        for configs in mine:
            past = self._past_trial(configs, folder, space.search["seeds"])
            if past is not None:
                self.study.add_trial(past)
        starts = folder.read_search().get("start_points", [])
        self.starts = deque(self._open_start_points(starts, {configs[0].sampling_rate for configs in mine}))

    def params(self, config: TrialConfig) -> dict[str, Any]:
        """What Optuna drew of a config."""
        return {name: getattr(config, name) for name in self.distributions}

    def ask(self, config: TrialConfig | None = None) -> optuna.trial.Trial:
        """The given config as if Optuna had suggested it; else the next start point; else Optuna's suggestion."""
        if config is not None:
            self.study.enqueue_trial(self.params(config))
        elif self.starts:
            rate, why = self.starts.popleft()
            self.study.enqueue_trial({"sampling_rate": rate}, user_attrs={"start_point": why})
        return self.study.ask(self.distributions)

    def ask_new(self, known: set[str]) -> tuple[TrialConfig, optuna.trial.Trial] | None:
        """A suggestion that was never made before, as its first seed's config; None where there is hardly one left.

        A sampler may repeat itself where values are discrete; then points drawn at random take its place.
        """
        sampler = self.study.sampler
        for attempt in range(TRIES):
            if attempt == TRIES // 2:
                anew = seed_for(self.seed, "again", self.asked) % 2**31
                self.study.sampler = optuna.samplers.RandomSampler(seed=anew)
            suggestion = self.ask()
            config = config_at(self.point, suggestion.params, 0)
            if config.key("seed") not in known:
                self.asked += 1
                self.study.sampler = sampler
                return config, suggestion
            self.study.tell(suggestion, state=TrialState.FAIL)
        self.study.sampler = sampler
        return None

    def tell(self, suggestion: optuna.trial.Trial, result: dict[str, Any] | None) -> None:
        """How a job ended: its final result, its last line where a scheduler stopped it, None where its process died.

        NaN is told as a failure (Optuna would wait for it for ever). A stop is told as pruned, without values: the
        AUCs of half a training are not those of a whole one.
        """
        result = result or {"failed": "no result"}
        values = [result.get(name, float("nan")) for name in self.objectives]
        if result.get("failed") or (result.get("finished") and any(value != value for value in values)):
            self.study.tell(suggestion, state=TrialState.FAIL)
        elif result.get("finished"):
            self.study.tell(suggestion, values)
        else:
            self.study.tell(suggestion, state=TrialState.PRUNED)

    def _past_trial(self, configs: list[TrialConfig], folder: RunFolder, seeds: int) -> FrozenTrial | None:
        """A suggestion of RUN as a trial of the study; None where it has still to end, or has no value."""
        asked = {"params": self.params(configs[0]), "distributions": self.distributions}
        records = [folder.read_record(config.key()) for config in configs if folder.is_finished(config.key())]
        if any(folder.is_stopped(config.key()) for config in configs):
            return create_trial(state=TrialState.PRUNED, **asked)
        values = [_mean_objective(records, name) for name in self.objectives if len(records) >= seeds]
        return create_trial(values=values, **asked) if values and all(value == value for value in values) else None

    def _open_start_points(self, starts: list[dict[str, Any]], known: set[float]) -> Iterator[tuple[float, str]]:
        """(rate, why) to begin with, less the known ones: a search that goes on does not ask for them again."""
        for start in starts:
            rate = nearest(self.distributions.get("sampling_rate"), start["sampling_rate"])
            if rate is not None and rate not in known:
                known.add(rate)
                yield rate, start["why"]


class JobSearcher(Searcher):
    """Hands out the plan's jobs, then what Optuna suggests: one study for each point of the grid around it.

    Ray's OptunaSearch knows one study, one metric dictionary and no lists of seeds; this one keeps its conversion of
    ranges and adds: known records enter the study, and a suggestion is a job of all its seeds. Another ``seed`` is
    another search of the same question; every search of a user has 0, so that its run folder says all of it.
    """

    def __init__(
        self,
        plan: Plan,
        space: Space,
        folder: RunFolder,
        vendors: list[str],
        common: dict[str, Any],
        points: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(metric="val_in_domain", mode="max")
        self.points = points  # of a grid that one trial may hold
        self.queue = deque(plan.jobs)
        self.draws = plan.draws
        self.common = common
        self.seeds = space.search["seeds"]
        drawn_around = space.grid(vendors) if space.search["sampler"] != "grid" else []
        known = suggestions_in(folder) if drawn_around else []
        self.studies = [PointStudy(point, space, known, folder, seed) for point in drawn_around]
        self.known = {configs[0].key("seed") for configs in known}
        self.asked: dict[str, tuple[PointStudy, optuna.trial.Trial]] = {}

    @property
    def left(self) -> int:
        """Jobs that were not handed out yet."""
        return len(self.queue) + self.draws

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        if self.queue:
            configs = self.queue.popleft()
            mine = next((study for study in self.studies if belongs(configs[0], study.point)), None)
            if mine is not None:
                self.asked[trial_id] = (mine, mine.ask(configs[0]))
                return self._work([configs])
            return self._work([configs, *self._beside(configs)])
        for mine in sorted(self.studies, key=lambda study: study.asked) if self.draws else []:
            found = mine.ask_new(self.known)
            if found is not None:
                config, suggestion = found
                self.draws -= 1
                self.known.add(config.key("seed"))
                self.asked[trial_id] = (mine, suggestion)
                return self._work([all_seeds([config], self.seeds)], suggestion.user_attrs.get("start_point"))
        self.draws = 0
        return Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id in self.asked:
            study, suggestion = self.asked.pop(trial_id)
            study.tell(suggestion, None if error else result)

    def _beside(self, configs: list[TrialConfig]) -> list[list[TrialConfig]]:
        """Points of the grid that train as one with the given one, taken out of the queue."""
        kind = pack_key(configs[0]) if self.points > 1 and len(configs) == 1 else None
        alike = (job for job in self.queue if kind and len(job) == 1 and pack_key(job[0]) == kind)
        taken = list(itertools.islice(alike, self.points - 1))  # the queue may be long: no further than needed
        for job in taken:
            self.queue.remove(job)
        return taken

    def _work(self, jobs: list[list[TrialConfig]], start_point: str | None = None) -> dict[str, Any]:
        plain = [[config.non_default() for config in configs] for configs in jobs]
        return {**self.common, "jobs": plain, "start_point": start_point}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its searcher into a state that nobody reads

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Ray's snapshots are not what a search resumes from."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as ``save``."""


def nearest(distribution: BaseDistribution | None, value: float) -> float | None:
    """The value that a distribution can draw nearest to ``value``; None where that lies outside of it."""
    if isinstance(distribution, CategoricalDistribution):
        return value if value in distribution.choices else None
    if not isinstance(distribution, FloatDistribution) or not distribution.low <= value <= distribution.high:
        return None
    if distribution.step is None:
        return value
    steps = round((value - distribution.low) / distribution.step)
    return min(distribution.high, distribution.low + steps * distribution.step)


def _mean_objective(records: list[TrialRecord], name: str) -> float:
    values = {
        "val_in_domain": [record.in_domain("val") for record in records],
        "val_cross_domain": [record.cross_domain("val") for record in records],
        "realised_rate": [record.realised_rate for record in records],
    }[name]
    return sum(values) / len(values)
