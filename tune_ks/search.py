"""A plan -> Ray's Tuner and one searcher. The run folder is the truth; Ray's state is disposable."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray import tune

from tune_ks.plan import Plan
from tune_ks.record import RunFolder, TrialConfig
from tune_ks.searcher import JobSearcher
from tune_ks.space import Space
from tune_ks.trial import trial

WORKER_DEATHS = 3  # a job whose process died this often is given up, with the reason written


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
