"""Up and down once along two half cosines: a low start, the full rate, a low end (Smith and Topin, SPIE 2019).

It is torch's OneCycleLR without its change of momentum.
"""

import math
from dataclasses import dataclass

from tune_ks.core.options import Member, Option
from tune_ks.training.schedules.base import FINAL_LR, MASK_SCHEDULE, Schedule, progress


@dataclass(frozen=True)
class OneCycle(Schedule):
    """``rise`` is the share of the steps that lead up from ``start_lr``; the rest lead down to ``final_lr``."""

    rise: float = 0.3
    start_lr: float = 0.04
    final_lr: float = 0.0

    def factor(self, step: int, steps: int) -> float:
        rising = round(self.rise * steps)
        if step < rising:
            return _between(self.start_lr, 1.0, step / rising)
        return _between(1.0, self.final_lr, progress(step, rising, steps))


def _between(begin: float, end: float, share: float) -> float:
    """From ``begin`` (``share`` 0) to ``end`` (1) along half a cosine."""
    return begin + (end - begin) * (1 - math.cos(math.pi * share)) / 2


RISE = Option("rise", 0.3, "share of the steps in which the learning rate rises from start_lr", above=0, below=1)
START_LR = Option("start_lr", 0.04, "the learning rate at the first step, as a share of lr", above=0, most=1)
MEMBER = Member(OneCycle, (RISE, START_LR, FINAL_LR, MASK_SCHEDULE))
