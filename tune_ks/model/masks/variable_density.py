"""Variable density mask: chances fall with the distance from DC as (1 - |c| / |c|_max)^power, at an exact count."""

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.seeding import seed_for
from tune_ks.model.masks.fixed import FixedMask

EDGE = 1e-3  # of the largest radius, beyond which the density would be 0 and the outermost never be drawn


class VariableDensityMask(FixedMask):
    """Polynomial density (Lustig, Donoho and Pauly, Magn. Reson. Med. 58, 2007), drawn without replacement.

    The k largest log(u) / w of weights w keep each pick proportional to what is left (Efraimidis and Spirakis, Inf.
    Process. Lett. 97, 2006). One seeded draw of u serves all rates, so the masks are nested.
    """

    def __init__(self, config: TrialConfig, radius: Tensor) -> None:
        super().__init__(config, radius)
        stream = torch.Generator().manual_seed(seed_for(config.seed, "mask"))
        uniform = self.tie(torch.rand(radius.shape, generator=stream, dtype=torch.float64))
        density = (1 + EDGE - radius.double() / radius.max().clamp(min=1)) ** config.density_power
        self.register_buffer("keys", uniform.log() / density, persistent=False)

    def select(self, count: int) -> Tensor:
        keys = self.keys.flatten()[self.order]
        return self.first(self.order[keys.argsort(descending=True, stable=True)], count)
