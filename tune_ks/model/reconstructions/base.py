"""The contract of R: an image from the kept part of k-space."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Option, require
from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms.base import Transform

CHANNELS = Option("reconstruction_channels", 64, "channels of its widest or first level", int, above=0, shapes=True)
TRAINING = (
    Option("reconstruction_weight", 0.0, "of the reconstruction's own loss beside the task's", least=0),
    Option(
        "reconstruction_epochs", 0, "the first so many train mask and reconstruction by it alone; none at rate 1",
        int, least=0,
    ),
)  # fmt: skip


class Reconstruction(nn.Module, ABC):
    """Measurement -> estimates (B, 1, H, W), complex or real. ``magnitude`` makes images of them.

    One that needs the zero-filled magnitude alone, not the k-space of one image, says in its registry that it
    ``takes_coils``; others are not given measurements of several coils.
    """

    def __init__(
        self, transform: Transform, reconstruction_weight: float = 0.0, reconstruction_epochs: int = 0
    ) -> None:
        super().__init__()
        self.transform = transform
        self.weight = reconstruction_weight  # of its loss, which is added to the task's
        self.epochs_alone = reconstruction_epochs  # the first ones, which train mask and R by that loss only

    @property
    def has_parameters(self) -> bool:
        """Whether training changes it."""
        return next(self.parameters(), None) is not None

    @abstractmethod
    def forward(self, measurement: Measurement) -> Tensor:
        """The measurement of (B, 1, H, W) images -> estimates (B, 1, H, W) of them."""

    def magnitude(self, estimate: Tensor) -> Tensor:
        """(B, 1, H, W) estimates of ``forward`` -> (B, 1, H, W) real images for the classifier."""
        return estimate.abs()

    def loss(self, measurement: Measurement, estimate: Tensor, image: Tensor) -> Tensor:
        """The loss that trains the reconstruction, a scalar: here the mean squared error of the magnitude.

        ``estimate`` (B, 1, H, W) is the output of ``forward``, ``image`` (B, 1, H, W) the fully sampled image.
        """
        return functional.mse_loss(self.magnitude(estimate), image)


def check_epochs(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError where the reconstruction is trained alone in an epoch that may be the best one."""
    before = config.first_settled_epoch() - 1
    alone = values["reconstruction_epochs"]
    allowed = f"from 0 to {before}, the epochs before the first that may be the best one (epochs, settle)"
    require(alone <= before, "reconstruction_epochs", allowed, alone)
