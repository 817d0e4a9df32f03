"""A linear warm-up, then half a cosine down to a share of the learning rate (Loshchilov and Hutter, ICLR 2017).

With w steps of warm-up of n in all, and the share f of the learning rate at the end, the factor at step i = 0, 1 ... is

    (i + 1) / w                                                  i < w
    f + (1 - f) (1 + cos(pi (i - w) / (n - w))) / 2              after it
"""

import math
from dataclasses import dataclass

from tune_ks.core.options import Member, Option
from tune_ks.training.schedules.base import FINAL_LR, MASK_SCHEDULE, Schedule, progress


@dataclass(frozen=True)
class Cosine(Schedule):
    """``warmup`` is the share of the steps in which the learning rate rises."""

    warmup: float = 0.05
    final_lr: float = 0.0

    def factor(self, step: int, steps: int) -> float:
        rising = round(self.warmup * steps)
        if step < rising:
            return (step + 1) / rising
        fallen = (1 - math.cos(math.pi * progress(step, rising, steps))) / 2
        return 1 - (1 - self.final_lr) * fallen


WARMUP = Option("warmup", 0.05, "share of the steps in which the learning rate rises from 0", least=0, below=1)
MEMBER = Member(Cosine, (WARMUP, FINAL_LR, MASK_SCHEDULE))
