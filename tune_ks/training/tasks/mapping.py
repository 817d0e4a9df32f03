"""Mapping: which map lies behind a measured one? The metric is R2 = 1 - NRMSE^2, of an image at a time.

The one such task is the susceptibility that makes a field (QSM dipole inversion).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member, require
from tune_ks.core.record import ZERO_EVERYWHERE
from tune_ks.data.dataset import Batch, Splits
from tune_ks.model.classifiers import MAPPERS
from tune_ks.training.tasks.base import Task, takes


class MapTask(Task):
    """A map p per image, trained towards the true map t with the mean over images of

        L = |p - t|^2 / |t|^2 = NRMSE^2

    so that the loss is 1 - R2, whatever the unit of t. The answer 0 everywhere has R2 = 0; a worse one is negative.
    """

    metric = "r2"
    target = "map"

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        return squared_nrmse(output, batch.target).mean()

    @staticmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        """(B,) R2 of each image; NaN where the true map is 0 everywhere."""
        return 1 - squared_nrmse(output, batch.target)

    @staticmethod
    def answers(output: Tensor) -> dict[str, Tensor]:
        """``map`` (B, S, S) of each image, in units of the window of maps: chi / 0.5 ppm."""
        return {"map": output[:, 0]}

    @classmethod
    def trivial(cls, splits: Splits) -> dict[str, dict[str, float]]:
        """R2 of the answer 0 everywhere: 0, for every vendor that has test images."""
        return {ZERO_EVERYWHERE: {vendor: 0.0 for vendor, images in splits.test.items() if len(images)}}


def squared_nrmse(output: Tensor, target: Tensor) -> Tensor:
    """(B, 1, S, S) maps -> (B,) |p - t|^2 / |t|^2; NaN where t is 0 everywhere."""
    energy = target.square().sum((1, 2, 3))
    error = (output - target).square().sum((1, 2, 3))
    return error / torch.where(energy > 0, energy, torch.nan)


def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError where the network makes no maps, or the images would lose their direction or their scale."""
    takes(MAPPERS)(config, values)
    moving = "'none' for the task 'map': a field that is moved or mirrored belongs to another B0"
    scaling = "'none' for the task 'map': the field's scale is the answer's"
    fields = dict.fromkeys(("augment", "test_time"), moving)
    fields |= dict.fromkeys(("standardise", "harmonise", "style"), scaling)
    for name, words in fields.items():
        require(getattr(config, name) == "none", name, words, getattr(config, name))


MEMBER = Member(MapTask, check=check)
