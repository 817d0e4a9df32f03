"""The contract of F: an orthonormal transform of images, and the index of its DC."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

SMALLEST_SQUARE = 1e-30  # lower limit of a sum of squares under a root, whose gradient at 0 is infinite


def root_sum_of_squares(image: Tensor) -> Tensor:
    """Complex images of coils (B, coils, H, W) -> the image that is looked at, (B, 1, H, W) real."""
    energy = torch.view_as_real(image).square().sum(-1).sum(1, keepdim=True)
    return energy.clamp(min=SMALLEST_SQUARE).sqrt()


class Transform(ABC):
    """F of y = M F x. It is orthonormal: it keeps the energy, and ``inverse(forward(x)) = x``.

    It is separable, along ``axes`` (negative): the last axis for lines, the last two for points. A mask of lines M(kx)
    commutes with the transform along y, so F^-1 M F x needs the transform along x only:
    F_y^-1 F_x^-1 M F_x F_y = F_x^-1 M F_x.

    One that transforms complex images as well says so in its registry (``takes_coils``); others are not given them.
    """

    is_complex: bool  # whether coefficients, and images made of a part of them, are complex
    has_conjugate_symmetry = False  # F x at -k is the conjugate of F x at k, for real images x

    def __init__(self, axes: tuple[int, ...] = (-1,)) -> None:
        self.axes = axes
        self.masks_are_symmetric = False  # True where every mask keeps k and -k together

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """(..., H, W) images as ``inverse`` gives them, or real ones -> (..., H, W) coefficients, DC at radius 0."""

    @abstractmethod
    def inverse(self, kspace: Tensor) -> Tensor:
        """(..., H, W) coefficients -> (..., H, W) images, complex where the transform is."""

    def magnitude(self, image: Tensor, mask: Tensor) -> Tensor:
        """|F^-1 M F x| of real images (B, 1, H, W) under masks (B or 1, 1, H or 1, W) -> (B, 1, H, W).

        Of complex images of coils (B, coils, H, W) the mask acts on each, and they are combined after it.
        """
        sampled = self.inverse(mask * self.forward(image))
        return root_sum_of_squares(sampled) if image.is_complex() else sampled.abs()

    def radius(self, height: int, width: int) -> Tensor:
        """(height, width) distance of each coefficient from DC, in coefficients. (1, width) for lines."""
        rows = torch.arange(height) - self.dc(height)
        columns = torch.arange(width) - self.dc(width)
        return torch.hypot(rows[:, None].float(), columns[None, :].float())

    @abstractmethod
    def dc(self, size: int) -> int:
        """The index of DC along an axis of ``size``. ValueError where the transform does not exist for this size."""
