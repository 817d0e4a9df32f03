"""No augmentation."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tune_ks.data.dataset import Batch
from tune_ks.model.transforms.base import Transform
from tune_ks.training.augmentations.base import Augmentation


@dataclass(frozen=True)
class Unchanged(Augmentation):
    """Every image stays as it is."""

    def draw(self, size: int, side: int, stream: np.random.Generator) -> Tensor | None:
        return None

    def apply(self, batch: Batch, draws: Tensor | None) -> Batch:
        return batch

    def commutes(self, transform: Transform) -> bool:
        return True

    def commutes_on_coils(self, transform: Transform) -> bool:
        return True
