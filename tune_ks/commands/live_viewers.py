"""Other people's viewers while a search runs: MLflow and TensorBoard, fed by the search's Events.

They see configs, metrics and losses only: no path, no user, no host, no reason of a failure. The run folder stays the
truth; what a viewer cannot take is said once, and the search goes on.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from tune_ks.core.storage import StoragePath
from tune_ks.search.events import Event

METRICS = ("loss", "val_in_domain", "val_cross_domain", "realised_rate")
FLUSH = 2  # seconds until a viewer can see what was written
STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
Logger = Callable[[Event], None]


def fan_out(loggers: list[Logger], tell: Callable[[str], None]) -> Logger:
    """One listener for many. One that fails is told of and left out from then on; the search is not its business."""
    listening = list(loggers)

    def show(event: Event) -> None:
        for logger in list(listening):
            try:
                logger(event)
            except Exception as error:  # a server may fail in any way
                listening.remove(logger)
                tell(f"{type(logger).__name__} listens no more: {type(error).__name__}: {str(error)[:200]}")

    return show


class MlflowLogger:
    """One MLflow run a job, named by its key, in the experiment of the run folder's name; the same one after a resume.

    ``uri`` is a tracking server, or sqlite:///FILE. ValueError where MLflow is not installed or refuses the URI.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        try:
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise ValueError("--mlflow needs MLflow: pip install mlflow-skinny (or tune_ks[mlflow])") from error
        try:
            self.client = MlflowClient(uri)
            found = self.client.get_experiment_by_name(experiment)
            self.experiment = found.experiment_id if found else self.client.create_experiment(experiment)
        except MlflowException as error:
            raise ValueError(f"--mlflow {uri}: {str(error).splitlines()[0][:300]}") from error
        self.runs: dict[str, str] = {}  # a job's name -> MLflow's id of its run

    def __call__(self, event: Event) -> None:
        if event.kind in ("started", "lost"):
            return
        run = self._run(event)
        prefix = "final_" if event.kind == "finished" else ""
        for name, value in numbers(event.result).items():
            self.client.log_metric(run, prefix + name, value, step=int(event.result.get("epoch", 0)))
        if event.kind in STATUS:
            self.client.set_terminated(run, STATUS[event.kind])
            del self.runs[event.job]

    def _run(self, event: Event) -> str:
        if event.job not in self.runs:
            name = name_of(event)
            known = self.client.search_runs([self.experiment], f"attributes.run_name = '{name}'", max_results=1)
            if known:
                self.runs[event.job] = known[0].info.run_id
                self.client.update_run(self.runs[event.job], status="RUNNING")
            else:
                run = self.client.create_run(self.experiment, run_name=name)
                self.runs[event.job] = run.info.run_id
                for field, value in event.configs[0].non_default().items():
                    self.client.log_param(run.info.run_id, field, value)
        return self.runs[event.job]


class TensorBoardLogger:
    """Curves as they come, in RUN/tensorboard/KEY; the export at the end of a search replaces them by all records'."""

    def __init__(self, root: StoragePath) -> None:
        if not isinstance(root, Path):
            raise ValueError(f"--tensorboard writes to a local run folder only, and this one is {root}")
        self.root = root / "tensorboard"
        self.writers: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        if "epoch" in event.result:
            if event.job not in self.writers:
                self.writers[event.job] = SummaryWriter(str(self.root / name_of(event)), flush_secs=FLUSH)
            for name, value in numbers(event.result).items():
                self.writers[event.job].add_scalar(name, value, int(event.result["epoch"]))
        if event.kind in (*STATUS, "lost") and event.job in self.writers:
            self.writers.pop(event.job).close()


def name_of(event: Event) -> str:
    """The key of a job's first config: the folder in RUN/trials that holds it."""
    return event.configs[0].key()


def numbers(result: dict[str, Any]) -> dict[str, float]:
    """The metrics of an event that are defined."""
    found = {name: result.get(name) for name in METRICS}
    return {name: float(value) for name, value in found.items() if value is not None and not math.isnan(value)}
