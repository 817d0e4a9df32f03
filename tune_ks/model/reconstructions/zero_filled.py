"""Zero-filled reconstruction: x_hat = |F^-1 y|."""

from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.model.reconstructions.base import Reconstruction
from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms.base import Transform


class ZeroFilled(Reconstruction):
    """What was not sampled is zero."""

    def forward(self, measurement: Measurement) -> Tensor:
        return measurement.zero_filled

    def magnitude(self, estimate: Tensor) -> Tensor:
        return estimate  # it is one


def build(config: TrialConfig, transform: Transform) -> ZeroFilled:
    """No settings of its own."""
    return ZeroFilled(transform)
