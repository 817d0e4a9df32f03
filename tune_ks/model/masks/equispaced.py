"""Equispaced mask: the centre, and the other lines at equal distances, at an exact count."""

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.model.masks.fixed import FixedMask


class EquispacedMask(FixedMask):
    """The L lines outside the centre, in cyclic order from DC: of m, the i-th is number floor(i (L + 1) / (m + 1)).

    Every gap is so within one line of (L + 1) / (m + 1), the two beside the centre too. For lines: on a grid of points
    no lattice has every count. Nothing is drawn, so the seed does not enter.
    """

    def __init__(self, config: TrialConfig, radius: Tensor) -> None:
        super().__init__(config, radius)
        for name, only, found in (("pattern", "lines", config.pattern), ("hermitian", "none", config.hermitian)):
            if found != only:
                raise ValueError(f"the mask 'equispaced' needs {name} {only!r}, got {found!r}")

    def select(self, count: int) -> Tensor:
        size = self.radius.numel()
        start = int(self.radius.argmin())
        cyclic = (start + torch.arange(size, device=self.radius.device)) % size
        others = cyclic[~self.centre.flatten()[cyclic]]
        wanted = count - (size - len(others))
        numbers = torch.arange(1, wanted + 1, device=others.device) * (len(others) + 1) // (wanted + 1) - 1
        return self.first(others[numbers], count)
