"""One training at a time, without Ray, as several benchmarks need it."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import Splits
from tune_ks.evaluation.finish import ScoredTraining, finish_trainings
from tune_ks.training.train import TrainingFailed, train_together
from tune_ks.training.training import Training
from tune_ks.worker.run_pack import run_pack


def train_alone(config: TrialConfig, splits: Splits, cross_domain_at: Collection[int] = ()) -> dict[str, Any]:
    """Train one config to its last epoch; its state. The other vendors are scored after the given epochs."""
    training = Training(config, splits)
    for epochs in train_together([training], splits, cross_domain_at=cross_domain_at):
        if isinstance(epochs[training], TrainingFailed):
            raise epochs[training]
    return training.state()


def score_alone(config: TrialConfig, splits: Splits, state: dict[str, Any]) -> ScoredTraining:
    """The scores of a finished training's best epoch."""
    return finish_trainings([config], splits, [state])[0]


def run_alone(config: TrialConfig, folder: RunFolder, images: Path) -> TrialRecord:
    """Train one config and write its trial into the run folder, as a worker does."""
    ((_, result),) = run_pack([config], folder, images, "cpu", lambda config, line: True)
    if isinstance(result, Exception):
        raise result
    return result
