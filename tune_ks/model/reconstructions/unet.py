"""U-Net on the zero-filled image: x_hat = x_0 + U(x_0), x_0 = |F^-1 y|."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from tune_ks.core.options import Member
from tune_ks.model.reconstructions.base import CHANNELS, TRAINING, Reconstruction, check_epochs
from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms.base import Transform

SMALLEST = 32  # pixels a side: four halvings leave two, and an instance norm of a single pixel is zero


class UNetReconstruction(Reconstruction):
    """The network adds a residual to the zero-filled magnitude; it is 0 before training (last convolution zero).

    ``network`` maps (B, 1, H, W) to the same shape, for sides of SMALLEST and more. Trained supervised, by the mean
    squared error. As in Zbontar et al., arXiv:1811.08839 (fastMRI), with a residual.
    """

    def __init__(self, transform: Transform, network: nn.Module, **training: Any) -> None:
        super().__init__(transform, **training)
        self.network = network
        nn.init.zeros_(network.get_parameter("final_conv.weight"))
        nn.init.zeros_(network.get_parameter("final_conv.bias"))

    def forward(self, measurement: Measurement) -> Tensor:
        zero_filled = measurement.zero_filled
        height, width = zero_filled.shape[-2:]
        padding = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
        residual = self.network(functional.pad(zero_filled, padding, mode="replicate"))
        return zero_filled + residual[..., :height, :width]


def build(transform: Transform, reconstruction_channels: int = 64, **training: Any) -> UNetReconstruction:
    """MONAI's BasicUNet, whose first level has ``reconstruction_channels``, the deepest eight times as many."""
    from monai.networks.nets.basic_unet import BasicUNet  # seconds to import

    c = reconstruction_channels
    network = BasicUNet(2, 1, 1, features=(c, c, 2 * c, 4 * c, 8 * c, c))
    return UNetReconstruction(transform, network, **training)


MEMBER = Member(build, (CHANNELS, *TRAINING), check_epochs, learned=True, takes_coils=True)
