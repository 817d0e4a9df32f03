"""One training at a time, without Ray: for benchmarks, and for tests that compare a search, a pack or a resumed trial.

The program itself always trains packs, in Ray's workers: nothing in it needs these functions.
"""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import Splits
from tune_ks.evaluation.finish import ScoredTraining, finish_trainings
from tune_ks.training.train import TrainingFailed, train_together
from tune_ks.training.training import Epoch, Training
from tune_ks.training.transfer import Weights
from tune_ks.worker.run_pack import run_pack


def train(
    config: TrialConfig,
    splits: Splits,
    state: dict[str, Any] | None = None,
    device: str = "cpu",
    parts: int = 1,
    cross_domain_at: Collection[int] = (),
    weights: Weights | None = None,
) -> Iterator[Epoch]:
    """Each epoch of one training, from ``state`` where it is given. TrainingFailed where the training fails.

    The other vendors are scored after the epochs in ``cross_domain_at``.
    """
    training = Training(config, splits, state, device, weights)
    for ends in train_together([training], splits, parts, cross_domain_at):
        epoch = ends[training]
        if isinstance(epoch, TrainingFailed):
            raise epoch
        yield epoch


def train_to_end(config: TrialConfig, splits: Splits, cross_domain_at: Collection[int] = ()) -> dict[str, Any]:
    """The state of a training after its last epoch."""
    *_, last = train(config, splits, cross_domain_at=cross_domain_at)
    return last.state


def finish(config: TrialConfig, splits: Splits, state: dict[str, Any], device: str = "cpu") -> ScoredTraining:
    """The scores of one training with its best weights."""
    return finish_trainings([config], splits, [state], device)[0]


def run_config(
    config: TrialConfig,
    folder: RunFolder,
    images_npy: Path,
    device: str = "cpu",
    report: Callable[[dict[str, Any]], object] = lambda line: None,
    masks_npy: Path | None = None,
) -> TrialRecord:
    """Train one config, from its checkpoint if it has one, and write its trial as a worker does; its failure is raised.

    ``report`` is called with every line of the history.
    """

    def report_and_continue(_: TrialConfig, line: dict[str, Any]) -> bool:
        report(line)
        return True

    ((_, result),) = run_pack([config], folder, images_npy, device, report_and_continue, masks_npy=masks_npy)
    if isinstance(result, Exception):
        raise result
    return result
