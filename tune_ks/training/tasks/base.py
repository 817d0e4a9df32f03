"""The contract of a task: what training brings down, what an image scores, and which metric judges the scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.core.options import Member
from tune_ks.data.dataset import Batch, Images, Splits
from tune_ks.model.members import named


def takes(networks: dict[str, Member]) -> Callable[[TrialConfig, Mapping[str, Any]], None]:
    """A task's check: ValueError where the config's network is none of ``networks``."""

    def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
        named(networks, "classifier", config.classifier)

    return check


class Task(nn.Module, ABC):
    """``metric`` names one of METRICS; ``reads_masks`` says that batches must come with their tumours' masks.

    Training uses an instance, built from the task's options: a module, since it may have parameters of its own (an
    adversary). Scoring and measuring use the class alone.
    """

    metric: str
    reads_masks: bool = False

    @abstractmethod
    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The network's output for a batch of B images -> a scalar, the mean over them."""

    @staticmethod
    @abstractmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        """The network's output for a batch of B images -> (B,), what the run folder keeps of each image."""

    @classmethod
    def trivial(cls, splits: Splits) -> dict[str, float]:
        """vendor -> the test metric of an answer that ignores the image; {} where the metric itself says what it is."""
        return {}

    @classmethod
    def measure(cls, images: Images, scores: np.ndarray, within: bool = False) -> float:
        """The metric of one vendor's images, or its mean within patients. ``scores`` (n,) as ``score`` gave them."""
        metric, label = METRICS[cls.metric], images.label.numpy()
        return metric.within(label, scores, images.patient.numpy()) if within else metric.overall(label, scores)

    @classmethod
    def measure_each(
        cls, images: dict[str, Images], scores: dict[str, np.ndarray], within: bool = False
    ) -> dict[str, float]:
        """vendor -> the metric of its images."""
        return {vendor: cls.measure(subset, scores[vendor], within) for vendor, subset in images.items()}
