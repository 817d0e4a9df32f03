"""Zero-filled reconstruction: x_hat = |F^-1 y|."""

from torch import Tensor, nn

from tune_ks.record import TrialConfig
from tune_ks.sampling import Measurement
from tune_ks.transforms.base import Transform


class ZeroFilled(nn.Module):
    """What was not sampled is zero; the magnitude makes a real image of a complex one."""

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, measurement: Measurement) -> Tensor:
        """Masked k-space (B, 1, H, W) -> images (B, 1, H, W), real and not negative."""
        return self.transform.inverse(measurement.kspace).abs()


def build(config: TrialConfig, transform: Transform) -> ZeroFilled:
    """No settings of its own."""
    return ZeroFilled(transform)
