"""Variable density mask: probabilities fall with the distance from DC as (1 - |k| / |k|_max)^power, exact count."""

from typing import Any

import torch
from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.core.seeding import seed_for
from tune_ks.model.masks.base import CENTRE, HERMITIAN
from tune_ks.model.masks.fixed import FixedMask

DENSITY_POWER = Option("density_power", 3.0, "chances fall with the distance |k| as (1 - |k|) to this power", least=0)
EDGE = 1e-3  # added to the density, so that the outermost coefficients can be drawn


class VariableDensity(FixedMask):
    """Polynomial density (Lustig, Donoho and Pauly, Magn. Reson. Med. 58, 2007), drawn without replacement.

    The k largest log(u) / w, with u uniform and weights w, are k draws with probabilities proportional to w among the
    coefficients that are left (Efraimidis and Spirakis, Inf. Process. Lett. 97, 2006). All rates use the same seeded u,
    so the mask of a lower rate is part of that of a higher rate.
    """

    keys: Tensor  # (H or 1, W): those with the largest are kept

    def __init__(
        self, radius: Tensor, rate: float, *, seed: int = 0, density_power: float = 3.0, **shared: Any
    ) -> None:
        super().__init__(radius, rate, seed=seed, **shared)
        stream = torch.Generator().manual_seed(seed_for(seed, "mask"))
        uniform = self.tie(torch.rand(radius.shape, generator=stream, dtype=torch.float64))
        density = (1 + EDGE - radius.double() / radius.max().clamp(min=1)) ** density_power
        self.register_buffer("keys", uniform.log() / density, persistent=False)

    def select(self, count: int) -> Tensor:
        keys = self.keys.flatten()[self.order]
        return self.first(self.order[keys.argsort(descending=True, stable=True)], count)


MEMBER = Member(VariableDensity, (DENSITY_POWER, CENTRE, HERMITIAN))
