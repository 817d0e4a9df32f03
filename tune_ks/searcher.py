"""Ray's searcher: hands out the plan's jobs, then what Optuna suggests, and rebuilds Optuna's studies from RUN."""

import warnings
from typing import Any

import optuna
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from tune_ks.plan import Plan, config_at, suggestions_in
from tune_ks.record import RunFolder, TrialConfig, TrialRecord
from tune_ks.seeding import seed_for
from tune_ks.space import OBJECTIVES, Block, Space

# NSGA-III and QMC are called experimental; the version is pinned and every sampler is tested
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

SAMPLERS = {
    "random": optuna.samplers.RandomSampler,
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "qmc": optuna.samplers.QMCSampler,
    "gp": optuna.samplers.GPSampler,
}


class JobSearcher(Searcher):
    """Hands out the plan's jobs, then what Optuna suggests: one study for each point of the grid around it.

    Ray's OptunaSearch knows one study, one metric dictionary and no lists of seeds; this one keeps its conversion of
    ranges and adds: known records enter the study, a suggestion is a job of all its seeds, NaN is told as a failure
    (Optuna would wait for it for ever).
    """

    def __init__(self, plan: Plan, space: Space, folder: RunFolder, vendors: list[str], common: dict[str, Any]) -> None:
        super().__init__(metric="val_in_domain", mode="max")
        self.queue = list(plan.jobs)
        self.draws = plan.draws
        self.common = common
        self.seeds = space.search["seeds"]
        self.objectives = space.search["objectives"]
        self.points = space.grid(vendors) if space.search["sampler"] != "grid" else []
        known = suggestions_in(folder) if self.points else []
        self.studies = [self._study(space, point, folder, known) for point in self.points]
        self.asked: dict[str, tuple[optuna.Study, optuna.trial.Trial]] = {}

    def _study(self, space: Space, point: Block, folder: RunFolder, known: list[list[TrialConfig]]) -> optuna.Study:
        mine = [configs for configs in known if _belongs(configs[0], point)]
        # after an extension the same seed would propose the same points again, so the count of known ones enters it
        seed = seed_for(0, "sampler", *sorted(map(str, point.fixed.items())), len(mine)) % 2**31
        directions = [OBJECTIVES[name] for name in self.objectives]
        study = optuna.create_study(directions=directions, sampler=SAMPLERS[space.search["sampler"]](seed=seed))
        distributions = OptunaSearch.convert_search_space(point.drawn)
        for configs in mine:
            records = [folder.read_record(c.key()) for c in configs if folder.is_finished(c.key())]
            if len(records) < self.seeds:
                continue
            params = {name: getattr(configs[0], name) for name in distributions}
            values = [_mean_objective(records, name) for name in self.objectives]
            if all(value == value for value in values):
                study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, values=values))
        study.set_user_attr("distributions", sorted(distributions))
        return study

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        if self.queue:
            return self._job(self.queue.pop(0))
        if not self.draws:
            return Searcher.FINISHED
        self.draws -= 1
        number = self.draws % len(self.points)
        study, point = self.studies[number], self.points[number]
        suggestion = study.ask(OptunaSearch.convert_search_space(point.drawn))
        self.asked[trial_id] = (study, suggestion)
        return self._job([config_at(point, suggestion.params, seed) for seed in range(self.seeds)])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        study, suggestion = self.asked.pop(trial_id, (None, None))
        if study is None:
            return
        values = [(result or {}).get(name, float("nan")) for name in self.objectives]
        if error or (result or {}).get("failed") or any(value != value for value in values):
            study.tell(suggestion, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(suggestion, values)

    def _job(self, configs: list[TrialConfig]) -> dict[str, Any]:
        return {**self.common, "configs": [config.non_default() for config in configs]}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its searcher into a state that nobody reads

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Ray's snapshots are not what a search resumes from."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as ``save``."""


def _belongs(config: TrialConfig, point: Block) -> bool:
    fixed = TrialConfig.from_dict({"sampling_rate": 1, **point.fixed})
    return all(getattr(config, name) == getattr(fixed, name) for name in point.fixed)


def _mean_objective(records: list[TrialRecord], name: str) -> float:
    values = {
        "val_in_domain": [record.in_domain("val") for record in records],
        "val_cross_domain": [record.cross_domain("val") for record in records],
        "realised_rate": [record.realised_rate for record in records],
    }[name]
    return sum(values) / len(values)
