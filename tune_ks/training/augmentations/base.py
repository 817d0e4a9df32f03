"""The contract of an augmentation: random numbers drawn beforehand, and what they do to a batch."""

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor

from tune_ks.data.dataset import Batch
from tune_ks.model.transforms.base import Transform


class Augmentation(ABC):
    """Two that compare equal do the same to a batch, so that a pack can apply them at once."""

    @abstractmethod
    def draw(self, size: int, side: int, stream: np.random.Generator) -> Tensor | None:
        """The random numbers of ``size`` images of ``side`` pixels, first axis (size,); None where there are none."""

    @abstractmethod
    def apply(self, batch: Batch, draws: Tensor | None) -> Batch:
        """The batch of B images, each changed (its target with it) by its own of ``draws`` (B, ...)."""

    @abstractmethod
    def commutes(self, transform: Transform) -> bool:
        """Whether |F^-1 M F .| and this augmentation can change places, whatever the mask M.

        Then a fixed mask can be applied once, before training.
        """
