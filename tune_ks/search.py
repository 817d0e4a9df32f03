"""What is left to do in RUN -> Ray's Tuner and one searcher. The run folder is the truth; Ray's state is disposable."""

import os
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import ray
from ray import tune
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from tune_ks.record import RunFolder, TrialConfig, TrialRecord
from tune_ks.seeding import seed_for
from tune_ks.space import OBJECTIVES, Block, Space
from tune_ks.trial import trial

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
WORKER_DEATHS = 3  # a job whose process died this often is given up, with the reason written


class Plan(NamedTuple):
    """``jobs`` with a known list of configs, ``draws`` still to be asked of Optuna, and what RUN holds already."""

    jobs: list[list[TrialConfig]]
    draws: int
    finished: int
    failed: int

    @property
    def left(self) -> int:
        return len(self.jobs) + self.draws


class Resources(NamedTuple):
    """Of one trial, and where the cluster is (``address`` None: this machine)."""

    cpus: float = 1
    gpus: float | None = None  # None: one where the cluster has any
    concurrent: int | None = None
    address: str | None = None


class Event(NamedTuple):
    """One thing that happened to a job, for whoever shows the progress."""

    job: str  # Ray's name of it
    kind: str  # started | epoch | finished | failed
    configs: list[TrialConfig]
    result: dict[str, Any]


def plan_search(space: Space, folder: RunFolder, vendors: list[str], retry_failed: bool = False) -> Plan:
    """What RUN does not hold yet. What was begun comes first, to go on from its checkpoint.

    A failed trial counts as answered unless ``retry_failed``: the same configuration would fail again.
    """
    failures = {} if retry_failed else folder.failures()

    def is_open(config: TrialConfig) -> bool:
        return not folder.is_finished(config.key()) and config.key() not in failures

    points = space.grid(vendors)
    seeds = range(space.search["seeds"])
    if space.search["sampler"] == "grid":
        # seeds outermost: a search that is stopped early has every rate once
        asked = {(c := _config(point, {}, seed)).key(): c for seed in seeds for point in points}
        jobs = [[config] for config in asked.values() if is_open(config)]
        jobs.sort(key=lambda job: not folder.trial(job[0].key(), "config.json").exists())
        failed = sum(key in failures for key in asked)
        return Plan(jobs, 0, len(asked) - len(jobs) - failed, failed)
    suggestions = suggestions_in(folder)
    pending = [configs for configs in suggestions if any(is_open(config) for config in configs)]
    draws = max(0, space.search["samples"] * len(points) - len(suggestions))
    finished = sum(folder.is_finished(key) for key in folder.keys())
    return Plan([_all_seeds(configs, len(seeds)) for configs in pending], draws, finished, len(failures))


def plan_finalists(folder: RunFolder, configs: list[dict[str, Any]], seeds: int) -> Plan:
    """The given configs (without a seed) with seeds 0 ... ``seeds`` - 1, less what RUN holds."""
    asked = [TrialConfig.from_dict({**values, "seed": seed}) for seed in range(seeds) for values in configs]
    jobs = [[config] for config in asked if not folder.is_finished(config.key())]
    return Plan(jobs, 0, len(asked) - len(jobs), 0)


def suggestions_in(folder: RunFolder) -> list[list[TrialConfig]]:
    """The configs of RUN, the seeds of one suggestion together."""
    together: dict[str, list[TrialConfig]] = {}
    for key in folder.keys():
        if folder.trial(key, "config.json").exists():
            config = folder.read_config(key)
            together.setdefault(config.key("seed"), []).append(config)
    return list(together.values())


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
        return self._job([_config(point, suggestion.params, seed) for seed in range(self.seeds)])

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


class Watcher(tune.Callback):
    """Turns Ray's callbacks into Events, and a job that Ray gave up into a written failure."""

    def __init__(self, folder: RunFolder, show: Callable[[Event], None]) -> None:
        self.folder = folder
        self.show = show

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its callbacks too, and a console cannot be

    def on_trial_start(self, iteration, trials, trial, **info) -> None:
        self.show(self._event("started", trial, {}))

    def on_trial_result(self, iteration, trials, trial, result, **info) -> None:
        kind = ("failed" if result.get("failed") else "finished") if result.get("finished") else "epoch"
        self.show(self._event(kind, trial, result))

    def on_trial_error(self, iteration, trials, trial, **info) -> None:
        event = self._event("failed", trial, {"failed": f"its process died {WORKER_DEATHS + 1} times"})
        for config in event.configs:
            if not self.folder.is_finished(config.key()):
                self.folder.write_failure(config, event.result["failed"])
        self.show(event)

    def _event(self, kind: str, trial: Any, result: dict[str, Any]) -> Event:
        configs = [TrialConfig.from_dict(values) for values in trial.config["configs"]]
        return Event(trial.trial_id, kind, configs, result)


def run_search(
    space: Space,
    folder: RunFolder,
    images: dict[int, Path],
    vendors: list[str],
    plan: Plan,
    resources: Resources,
    show: Callable[[Event], None],
) -> None:
    """Run what the plan has left, until it is done or interrupted. ``images`` is image size -> cached .npy."""
    # Ray's storage holds nothing that is read again; it is rewritten as trials report, so it lies in scratch
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    with tempfile.TemporaryDirectory(prefix="tune_ks_ray_") as scratch, connected(resources.address):
        cluster = ray.cluster_resources()
        gpus = resources.gpus if resources.gpus is not None else float(cluster.get("GPU", 0) > 0)
        slots = int(cluster.get("CPU", 1) // resources.cpus)
        if gpus:
            slots = min(slots, int(cluster.get("GPU", 0) / gpus + 1e-9))
        if slots < 1:
            raise ValueError(
                f"a trial asks for {resources.cpus:g} CPUs and {gpus:g} GPUs, the cluster has "
                f"{cluster.get('CPU', 0):g} and {cluster.get('GPU', 0):g}: lower --cpus-per-trial or --gpus-per-trial"
            )
        common = {
            "run": str(folder.root.resolve()),
            "images": {str(size): str(path.resolve()) for size, path in images.items()},
            "threads": max(1, int(resources.cpus)),
        }
        tuner = tune.Tuner(
            tune.with_resources(trial, {"cpu": resources.cpus, "gpu": gpus}),
            tune_config=tune.TuneConfig(
                search_alg=JobSearcher(plan, space, folder, vendors, common),
                num_samples=plan.left,
                max_concurrent_trials=min(slots, resources.concurrent or slots),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=scratch,
                verbose=0,
                callbacks=[Watcher(folder, show)],
                failure_config=tune.FailureConfig(max_failures=WORKER_DEATHS),
            ),
        )
        with sigterm_as_sigint():
            tuner.fit()


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Ray on this machine, or the running cluster at ``address`` (or of RAY_ADDRESS); left as it was found."""
    mine = not ray.is_initialized()
    if mine:
        address = address or os.environ.get("RAY_ADDRESS")
        local = {} if address else {"object_store_memory": 128 * 2**20, "include_dashboard": False}
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
    try:
        yield
    finally:
        if mine:
            ray.shutdown()


@contextmanager
def sigterm_as_sigint() -> Iterator[None]:
    """Tune stops gracefully on SIGINT only; Slurm and Kubernetes send SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _config(point: Block, drawn: dict[str, Any], seed: int) -> TrialConfig:
    return TrialConfig.from_dict({"seed": seed, **point.fixed, **drawn})


def _all_seeds(configs: list[TrialConfig], seeds: int) -> list[TrialConfig]:
    values = configs[0].non_default()
    return [TrialConfig.from_dict({**values, "seed": seed}) for seed in range(seeds)]


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
