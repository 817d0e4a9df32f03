"""The contract of an augmentation: draw random numbers for an epoch, then apply them to its batches."""

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor

from tune_ks.data.dataset import Batch
from tune_ks.model.transforms.base import Transform


class Augmentation(ABC):
    """Equal augmentations do the same to a batch, so that a pack applies them in one call.

    Images are real, in [0, 1], unless the augmentation's registry says that it ``takes_coils``.
    """

    @abstractmethod
    def draw(self, size: int, side: int, stream: np.random.Generator) -> Tensor | None:
        """The random numbers of ``size`` images of ``side`` pixels, first axis (size,); None where there are none."""

    @abstractmethod
    def apply(self, batch: Batch, draws: Tensor | None) -> Batch:
        """Change image i of the batch, and its target, by row i of ``draws`` (B, ...)."""

    @abstractmethod
    def commutes(self, transform: Transform) -> bool:
        """Whether |F^-1 M F .| and this augmentation commute for every mask M.

        If so, a fixed mask can be applied once, before training.
        """

    def commutes_on_coils(self, transform: Transform) -> bool:
        """As ``commutes``, for complex images of coils, whose k-space has no conjugate symmetry."""
        return False
