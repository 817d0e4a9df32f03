"""A user's file with a mask of their own, as CONTRIBUTING.md describes it."""

import torch
from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.model.masks.base import CENTRE
from tune_ks.model.masks.fixed import FixedMask

PERIOD = Option("period", 2, "lines from one that is kept to the next", int, least=2)


class Checkerboard(FixedMask):
    """Every ``period``-th line, then the others from the first on."""

    def __init__(self, radius: Tensor, rate: float, *, period: int = 2, **shared: object) -> None:
        super().__init__(radius, rate, **shared)
        self.period = period

    def select(self, count: int) -> Tensor:
        line = torch.arange(self.radius.numel())
        on_grid = line % self.period == 0
        return self.first(torch.cat([line[on_grid], line[~on_grid]]), count)


MEMBERS = {"mask": {"checkerboard": Member(Checkerboard, (CENTRE, PERIOD))}}
