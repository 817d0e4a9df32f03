"""The contract of R: an image again from what was kept of k-space."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional

from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms.base import Transform


class Reconstruction(nn.Module, ABC):
    """Measurement -> estimates (B, 1, H, W), complex or real; whoever looks at one as an image takes its magnitude."""

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform

    @abstractmethod
    def forward(self, measurement: Measurement) -> Tensor:
        """What was measured of (B, 1, H, W) images -> estimates (B, 1, H, W) of them."""

    def magnitude(self, estimate: Tensor) -> Tensor:
        """What the classifier sees of an estimate of ``forward``, (B, 1, H, W) real."""
        return estimate.abs()

    def loss(self, measurement: Measurement, estimate: Tensor, image: Tensor) -> Tensor:
        """What training the reconstruction brings down: here the mean squared error of the magnitude.

        ``estimate`` (B, 1, H, W) as ``forward`` gave it, ``image`` (B, 1, H, W) fully sampled. A scalar.
        """
        return functional.mse_loss(self.magnitude(estimate), image)
