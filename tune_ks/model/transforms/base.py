"""The contract of F: an orthonormal transform of images that knows where its DC is."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig


class Transform(ABC):
    """F of y = M F x. Orthonormal: it keeps the energy, and ``inverse(forward(x)) = x``.

    Separable, along ``axes`` (negative): the last axis alone for lines, the last two for points. A mask of lines M(kx)
    commutes with the transform along y, so F^-1 M F x needs the transform along x only:
    F_y^-1 F_x^-1 M F_x F_y = F_x^-1 M F_x.
    """

    is_complex: bool  # of its coefficients, and so of what comes back from some of them

    def __init__(self, config: TrialConfig) -> None:
        self.axes = (-1,) if config.pattern == "lines" else (-2, -1)
        self.tied = config.hermitian == "tied"

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """(..., H, W) images as ``inverse`` gives them, or real ones -> (..., H, W) coefficients, DC at radius 0."""

    @abstractmethod
    def inverse(self, kspace: Tensor) -> Tensor:
        """(..., H, W) coefficients -> (..., H, W) images, complex where the transform is."""

    def magnitude(self, image: Tensor, mask: Tensor) -> Tensor:
        """|F^-1 M F x| of real images (B, 1, H, W) under masks (B or 1, 1, H or 1, W) -> (B, 1, H, W)."""
        return self.inverse(mask * self.forward(image)).abs()

    def radius(self, height: int, width: int) -> Tensor:
        """(height, width) distance of each coefficient from DC, in coefficients. (1, width) for lines."""
        rows, columns = (torch.arange(size) - self.dc(size) for size in (height, width))
        return torch.hypot(rows[:, None].float(), columns[None, :].float())

    @abstractmethod
    def dc(self, size: int) -> int:
        """The index of DC along an axis of ``size``. ValueError where the transform has no such size."""
