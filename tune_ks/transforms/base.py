"""The contract of F: an orthonormal transform of images that knows where its DC is."""

from abc import ABC, abstractmethod

from torch import Tensor


class Transform(ABC):
    """F of y = M F x. Orthonormal: it keeps the energy, and ``inverse(forward(x)) = x``."""

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """(..., H, W) real images -> (..., H, W) coefficients, DC where ``radius`` is 0."""

    @abstractmethod
    def inverse(self, kspace: Tensor) -> Tensor:
        """(..., H, W) coefficients -> (..., H, W) images, complex where the transform is."""

    @abstractmethod
    def radius(self, height: int, width: int) -> Tensor:
        """(height, width) distance of each coefficient from DC, in coefficients. (1, width) for lines."""
