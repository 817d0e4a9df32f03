"""The contract of a schedule: a factor of the learning rate at every step of a training."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from tune_ks.core.options import Option


@dataclass(frozen=True)
class Schedule(ABC):
    """The factor depends on the number of the step alone, so a resumed training continues with the same factors.

    The mask's learning rate follows the schedule, or stays as it is (``mask_schedule`` "constant").
    """

    mask_schedule: str = "same"

    @abstractmethod
    def factor(self, step: int, steps: int) -> float:
        """The factor in [0, 1] at ``step``, counted from 0, of ``steps`` in all; that of the last one after the end."""

    def mask_factor(self, step: int, steps: int) -> float:
        """The factor of the mask's learning rate."""
        return self.factor(step, steps) if self.mask_schedule == "same" else 1.0


MASK_SCHEDULE = Option(
    "mask_schedule", "same", "whether the mask's learning rate follows the schedule", str, choices=("same", "constant")
)
FINAL_LR = Option("final_lr", 0.0, "the learning rate at the end, as a share of lr", least=0, most=1)


def progress(step: int, first: int, steps: int) -> float:
    """The share in [0, 1] of the way from step ``first`` to the end of ``steps``; below 1 at the last step."""
    step = min(step, steps - 1)
    return (step - first) / max(1, steps - first)
