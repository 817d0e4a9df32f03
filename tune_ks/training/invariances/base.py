"""The contract of an invariance: how it is learned from several source vendors what they have in common.

Definitions are those of DomainBed (Gulrajani and Lopez-Paz, ICLR 2021): a step takes equally many images of every
source, here ``batch_size`` divided by their number, rounded down. A source with fewer images repeats them in an epoch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch
from tune_ks.training.tasks import task_of
from tune_ks.training.tasks.base import Task

FEWEST = 2  # images of each source in a batch: one alone has no covariance


class Domain(NamedTuple):
    """The part of a batch that is of one source: its b images are known by their place, so no device is asked."""

    output: Tensor  # of the network for these images
    batch: Batch
    features: Tensor | None  # (b, F) float32, where the invariance reads them


class Invariance(nn.Module, ABC):
    """``sources`` is the number of vendors that are trained on. It is a module because it may have a state.

    ``by_domain`` says whether batches hold equally many images of each source, those of the first one first. Such a
    batch is passed whole and the config is trained alone. ``reads_features``: whether ``loss`` needs what enters the
    network's last layer.
    """

    by_domain = False
    reads_features = False

    def __init__(self, sources: int) -> None:
        super().__init__()
        self.sources = sources

    @abstractmethod
    def loss(self, task: Task, output: Tensor, batch: Batch, features: Tensor | None, step: int) -> Tensor:
        """The scalar loss of a batch in the order of the sources. ``step`` is the number of steps before this one."""

    def restarts_optimiser(self, step: int) -> bool:
        """Whether the optimiser forgets its moments before this step, as the loss then jumps."""
        return False


class ByDomain(Invariance):
    """An invariance whose loss compares the sources."""

    by_domain = True

    def loss(self, task: Task, output: Tensor, batch: Batch, features: Tensor | None, step: int) -> Tensor:
        return self.objective(task, in_domains(output, batch, features, self.sources), step)

    @abstractmethod
    def objective(self, task: Task, domains: Sequence[Domain], step: int) -> Tensor:
        """The scalar loss of the images of all sources."""


def in_domains(output: Tensor, batch: Batch, features: Tensor | None, sources: int) -> list[Domain]:
    """A batch with equally many images of each source, those of the first one first -> its parts."""
    outputs = output.chunk(sources)
    columns = [values.chunk(sources) for values in batch]
    batches = [Batch(*values) for values in zip(*columns, strict=True)]
    of_features: Sequence[Tensor | None] = [None] * sources if features is None else features.chunk(sources)
    return [Domain(*values) for values in zip(outputs, batches, of_features, strict=True)]


def losses_of(task: Task, domains: Sequence[Domain]) -> Tensor:
    """(D,) the task's loss on each source, which is its mean over the images."""
    return torch.stack([task.loss(domain.output, domain.batch) for domain in domains])


@contextmanager
def inputs_of(layer: nn.Module | None) -> Iterator[list[Tensor]]:
    """What enters ``layer`` in the passes within this context, as float32; nothing of None."""
    seen: list[Tensor] = []
    if layer is None:
        yield seen
        return

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].float())

    handle = layer.register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def require_several(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """A member's check: ValueError where a config's batches cannot be divided by its sources."""
    name = f"the invariance {config.invariance!r}"
    if len(config.sources) < 2:
        raise ValueError(
            f"{name} compares several source vendors, and this trial is trained on one, {config.vendor}: name them all "
            "(vendor: 'GE+SIEMENS'), or leave invariance out"
        )
    if task_of(config).group != "image":
        raise ValueError(f"{name} divides a batch by its images, and the task {config.task!r} is about whole volumes")
    if config.options.get("mixup"):
        raise ValueError(f"{name} needs images of one source vendor each, and mixup makes one of two: leave mixup out")
    fewest = FEWEST * len(config.sources)
    if config.batch_size < fewest:
        raise ValueError(
            f"{name} needs {FEWEST} images of each of {len(config.sources)} source vendors in a batch: batch_size must "
            f"be {fewest} or more, got {config.batch_size}"
        )
