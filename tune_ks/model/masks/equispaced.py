"""Equispaced mask: the centre, and lines at equal distances outside it, at an exact count."""

from typing import Any

import torch
from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.masks.base import CENTRE
from tune_ks.model.masks.fixed import FixedMask


class Equispaced(FixedMask):
    """Of the L lines outside the centre, numbered 1 to L cyclically from DC, the i-th of m kept ones is

        floor(i (L + 1) / (m + 1)).

    So every gap, also the two beside the centre, is within one line of (L + 1) / (m + 1). Only for lines, because on a
    grid of points no lattice exists for every count. Nothing is random, so the seed has no effect.
    """

    def __init__(self, radius: Tensor, rate: float, **shared: Any) -> None:
        super().__init__(radius, rate, **shared)
        if len(radius) > 1:
            raise ValueError("the mask 'equispaced' needs pattern 'lines', got 'points'")

    def select(self, count: int) -> Tensor:
        size = self.radius.numel()
        start = int(self.radius.argmin())
        cyclic = (start + torch.arange(size, device=self.radius.device)) % size
        others = cyclic[~self.centre.flatten()[cyclic]]
        wanted = count - (size - len(others))
        numbers = torch.arange(1, wanted + 1, device=others.device) * (len(others) + 1) // (wanted + 1) - 1
        return self.first(others[numbers], count)


MEMBER = Member(Equispaced, (CENTRE,))
