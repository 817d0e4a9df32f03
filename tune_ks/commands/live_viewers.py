"""Other programs that show a search while it runs: MLflow and TensorBoard, fed by the search's Events.

They get configs, metrics and losses only: no path, no user, no host, no reason of a failure. Only the run folder holds
results: when a viewer fails, this is printed once, and the search continues without it.
"""

import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tune_ks.commands.tensorboard import TensorBoardRun
from tune_ks.core.storage import StoragePath
from tune_ks.search.cluster import answers
from tune_ks.search.event import Event

METRICS = ("loss", "val_in_domain", "val_cross_domain", "realised_rate")
STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
SERVER_WITHIN = 3.0  # seconds until a server must have answered
Logger = Callable[[Event], None]


def fan_out(loggers: list[Logger], tell: Callable[[str], None]) -> Logger:
    """A logger that passes events to many. When one of them fails, ``tell`` says so, and it gets no more events."""
    listening = list(loggers)

    def show(event: Event) -> None:
        for logger in list(listening):
            try:
                logger(event)
            except Exception as error:  # a server may fail in any way
                listening.remove(logger)
                tell(f"{type(logger).__name__} listens no more: {type(error).__name__}: {str(error)[:200]}")

    return show


def require_viewers(mlflow: str | None, tensorboard: bool, root: StoragePath | None) -> None:
    """ValueError where a viewer that was asked for cannot be used. Creates nothing; a server is asked for 3 s.

    ``root`` is the run folder, None where its name is not known yet.
    """
    if tensorboard and root is not None:
        TensorBoardLogger(root)
    if mlflow is not None:
        _require_mlflow(mlflow)


def _require_mlflow(uri: str) -> None:
    if find_spec("mlflow") is None:
        raise ValueError("--mlflow needs MLflow: pip install mlflow-skinny (or tune_ks[mlflow])")
    place = urlsplit(uri)
    if place.scheme in ("http", "https"):
        port = place.port or (443 if place.scheme == "https" else 80)
        if not answers(f"{place.hostname}:{port}", SERVER_WITHIN):
            raise ValueError(f"--mlflow {uri}: no server answers there")
    elif place.scheme == "sqlite":
        folder = Path(uri.removeprefix("sqlite:///")).parent
        if not folder.is_dir():
            raise ValueError(f"--mlflow {uri}: there is no folder {folder}")
    elif place.scheme not in ("", "file"):
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            MlflowClient(uri)  # of these schemes it creates nothing
        except MlflowException as error:
            raise ValueError(f"--mlflow {uri}: {str(error).strip().splitlines()[0][:300]}") from error


class MlflowLogger:
    """One MLflow run per job, named by its key, in an experiment named like the run folder.

    After a resume a job continues its MLflow run. ``uri`` is a tracking server, or sqlite:///FILE. ValueError where
    MLflow is not installed or refuses the URI.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        try:
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise ValueError("--mlflow needs MLflow: pip install mlflow-skinny (or tune_ks[mlflow])") from error
        try:
            self.client = MlflowClient(uri)
            known = self.client.get_experiment_by_name(experiment)
            self.experiment = known.experiment_id if known else self.client.create_experiment(experiment)
        except MlflowException as error:
            raise ValueError(f"--mlflow {uri}: {str(error).splitlines()[0][:300]}") from error
        self.runs: dict[str, str] = {}  # name of a job -> MLflow's id of its run

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
    """Curves in RUN/tensorboard/KEY while the trials run. The export at the end of the search replaces them."""

    def __init__(self, root: StoragePath) -> None:
        if not isinstance(root, Path):
            raise ValueError(f"--tensorboard writes to a local run folder only, and this one is {root}")
        self.root = root / "tensorboard"
        self.writers: dict[str, TensorBoardRun] = {}  # name of a job -> its open event file

    def __call__(self, event: Event) -> None:
        if "epoch" in event.result:
            if event.job not in self.writers:
                self.writers[event.job] = TensorBoardRun(self.root / name_of(event))
            self.writers[event.job].add_epoch(int(event.result["epoch"]), numbers(event.result))
        if event.kind in (*STATUS, "lost") and event.job in self.writers:
            self.writers.pop(event.job).close()


def name_of(event: Event) -> str:
    """The key of a job's first config: the folder in RUN/trials that holds it."""
    return event.configs[0].key()


def numbers(result: dict[str, Any]) -> dict[str, float]:
    """The metrics of a report that are defined."""
    values = {name: result.get(name) for name in METRICS}
    return {name: float(value) for name, value in values.items() if value is not None and not math.isnan(value)}
