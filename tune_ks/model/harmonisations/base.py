"""The contract of h: an image made comparable with those of the source vendor before it is sampled."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn


class Harmonisation(nn.Module, ABC):
    """(B, 1, S, S) images -> the same shape, each image by itself.

    What it learns from the training images is kept in buffers, so that it travels with the weights. It commutes with
    mirroring and with circular shifts, unless it is one that is computed ``beforehand``. Images are real, in [0, 1],
    unless its registry says that it ``takes_coils``.
    """

    # whether training computes it once for each stored image, before all augmentation: of a member that takes too long
    # for every step (FitsEachImage). Its networks cannot be exported
    beforehand: ClassVar[bool] = False

    def fit(self, images: Iterable[Tensor]) -> None:
        """Read the source vendor's training images, in batches (B, 1, S, S)."""

    def identity(self) -> tuple:
        """Equal for two harmonisations that do the same to every image."""
        return (type(self).__name__, *(value.cpu().numpy().tobytes() for value in self.buffers()))

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """The harmonised images. They carry no gradient."""


class Unchanged(Harmonisation):
    """No harmonisation."""

    def forward(self, image: Tensor) -> Tensor:
        return image
