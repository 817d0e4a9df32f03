"""Zero-filled reconstruction: x_hat = |F^-1 y|."""

from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.reconstructions.base import TRAINING, Reconstruction, check_epochs
from tune_ks.model.sampling import Measurement


class ZeroFilled(Reconstruction):
    """The k-space that was not sampled is set to zero."""

    def forward(self, measurement: Measurement) -> Tensor:
        return measurement.zero_filled

    def magnitude(self, estimate: Tensor) -> Tensor:
        return estimate  # already a magnitude


MEMBER = Member(ZeroFilled, TRAINING, check_epochs, takes_coils=True)
