"""Low-pass mask: the k coefficients nearest to DC. The yardstick that a learned mask must beat."""

import torch
from torch import Tensor

from tune_ks.masks.base import Mask, require_a_line
from tune_ks.record import TrialConfig
from tune_ks.seeding import seed_for


class LowpassMask(Mask):
    """Fixed, no parameters: exactly round(rate N) coefficients, ties in radius broken by the seed."""

    def probability(self, rate: Tensor) -> Tensor:
        rank = self.radius.flatten()[self.order].argsort(stable=True).argsort()
        nearness = torch.empty_like(rank).index_copy_(0, self.order, rank).reshape(self.radius.shape)
        count = (rate * self.radius.numel()).round().clamp(min=1)
        return (nearness < count[:, None, None]).to(self.radius.dtype)

    def draw(self, rate: Tensor) -> Tensor:
        return self.probability(rate)


def build(config: TrialConfig, radius: Tensor) -> LowpassMask:
    """A fixed mask: the config's temperature and budget do not enter."""
    require_a_line(config.sampling_rate, radius)
    return LowpassMask(radius, seed_for(config.seed, "ties"))
