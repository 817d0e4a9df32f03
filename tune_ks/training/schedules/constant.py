"""The same learning rate at every step."""

from dataclasses import dataclass

from tune_ks.core.options import Member
from tune_ks.training.schedules.base import Schedule


@dataclass(frozen=True)
class Constant(Schedule):
    """The factor is 1."""

    def factor(self, step: int, steps: int) -> float:
        return 1.0


MEMBER = Member(Constant)
