"""The contract of a task: the loss of training, the score of an image, and the metric of the scores."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from torch import Tensor, nn

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.core.options import Member
from tune_ks.data.dataset import Batch, Images, Splits
from tune_ks.model.members import named


class Target(NamedTuple):
    """A kind of true answer for an image."""

    words: str  # what the network gives, in messages
    of_masks: bool  # whether it is read from a file of its own beside the images
    channels: tuple[str, ...] = ("tumour",)  # what each output of the network is
    of_organs: bool = False  # whether also of the masks of the organs that hold them


TARGETS = {
    "label": Target("says whether an image shows a tumour", of_masks=False),
    "mask": Target("outlines tumours", of_masks=True),
    "box": Target(
        "says where a tumour may lie",
        of_masks=True,
        channels=("logit of a tumour's centre", "height of its box / image side", "width of its box / image side"),
    ),
    "volume": Target("outlines lesions in volumes", of_masks=True, of_organs=True),
    "map": Target("finds the map behind a measured one", of_masks=True, channels=("map",)),
}


def takes(*registries: Mapping[str, Member]) -> Callable[[TrialConfig, Mapping[str, Any]], None]:
    """A task's check: ValueError where the config's network is in none of ``registries``."""

    def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
        networks: dict[str, Member] = {}
        for registry in registries:  # here and not before: a user's file adds to a registry
            networks |= registry
        named(networks, "classifier", config.classifier)

    return check


class Task(nn.Module, ABC):
    """``metric`` is a name in METRICS, ``target`` one in TARGETS: the kind of the true answer for an image.

    The image of a batch is a magnitude, unless the task's registry says that it ``takes_coils``: one that does not look
    at it, or at its size only, can say so.

    ``group`` says what belongs together in a batch: nothing ("image"), or all slices of a volume ("volume").

    Training uses an instance, built from the task's options. It is a module because it may have parameters (an
    adversary). Scores and metrics need the class only.
    """

    metric: str
    target: str = "label"
    details_file: str = ""  # of a trial's folder, where ``details`` are kept; "": there are none
    group: str = "image"
    mixup: float = 0.0  # of the training images: see tune_ks.training.mixup

    def prepare(self, images: Images) -> None:
        """Read what the loss needs to know of the training images, once before training."""

    def constant_loss(self) -> float:
        """The training loss of the best answer that ignores the image; NaN where chance is not defined."""
        return math.nan

    @abstractmethod
    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The network's output for a batch of B images -> a scalar, the mean over them."""

    @classmethod
    def losses(cls, tasks: Sequence[Self], outputs: Sequence[Tensor], batches: Sequence[Batch]) -> Sequence[Tensor]:
        """The ``loss`` of each of several tasks of this class, whose batches have the same size."""
        return [task.loss(output, batch) for task, output, batch in zip(tasks, outputs, batches, strict=True)]

    @staticmethod
    @abstractmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        """The network's output for a batch of B images -> (B,) scores, which the run folder keeps."""

    @classmethod
    def details(cls, output: Tensor, batch: Batch, config: TrialConfig) -> dict[str, Tensor]:
        """What is kept of each image beside its score: name -> (B, ...). Called where there is a ``details_file``."""
        return {}

    @classmethod
    def reads_masks(cls) -> bool:
        """Whether batches must hold targets beside the labels."""
        return TARGETS[cls.target].of_masks

    @staticmethod
    def answers(output: Tensor) -> dict[str, Tensor]:
        """What the network says of B images whose truth is unknown, by name: numbers (B,) or arrays (B, ...)."""
        return {"output": output}

    @classmethod
    def reads_organs(cls) -> bool:
        """Whether these must also say where the organs are."""
        return TARGETS[cls.target].of_organs

    @classmethod
    def channels(cls, network: Mapping[str, Any]) -> tuple[str, ...]:
        """What each output of the network is, in words. ``network``: the values of the network's options."""
        return TARGETS[cls.target].channels

    @classmethod
    def trivial(cls, splits: Splits) -> dict[str, dict[str, float]]:
        """Answer that ignores the image -> vendor -> its test metric; {} where that follows from the metric."""
        return {}

    @classmethod
    def measure(cls, images: Images, scores: np.ndarray, within: bool = False) -> float:
        """The metric of one vendor's images, or its mean within patients. ``scores`` (n,) as ``score`` gave them."""
        metric = METRICS[cls.metric]
        label = images.label.numpy()
        return metric.within(label, scores, images.patient.numpy()) if within else metric.overall(label, scores)

    @classmethod
    def measure_each(
        cls, images: dict[str, Images], scores: dict[str, np.ndarray], within: bool = False
    ) -> dict[str, float]:
        """vendor -> the metric of its images."""
        return {vendor: cls.measure(subset, scores[vendor], within) for vendor, subset in images.items()}
