"""An exponential moving average of a network's weights: what is validated, scored, chosen as best and exported.

After step t = 0, 1 ... every average a of a value w becomes

    a <- a + (1 - d) (w - a),     d = min(decay, (1 + t) / (10 + t))

The rising d lets the first averages forget the initial weights (as tf.train.ExponentialMovingAverage does). Averaged
are all parameters, the mask's logits among them, and the running statistics of normalisation layers.
"""

import copy
from typing import Any

import torch
from torch import Tensor

from tune_ks.model.pipeline import KSpaceClassifier


class Average:
    """``pipeline`` is a copy of ``trained`` that holds the averages."""

    def __init__(self, trained: KSpaceClassifier, decay: float) -> None:
        self.decay = decay
        self.trained = trained
        self.pipeline = copy.deepcopy(trained).requires_grad_(False)
        self.pairs: dict[bool, tuple[list[Tensor], list[Tensor]]] = {}  # averages, weights; the key: whether floats
        weights = trained.state_dict()
        averages = self.pipeline.state_dict()
        for are_floats in (True, False):  # whole numbers are counts of batches
            names = [name for name in weights if weights[name].is_floating_point() == are_floats]
            self.pairs[are_floats] = ([averages[name] for name in names], [weights[name] for name in names])

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step``, counted from 0. The host does not wait for the device."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, weights = self.pairs[True]
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for count, trained in zip(*self.pairs[False], strict=True):
            count.copy_(trained)

    def settle_mask(self) -> None:
        """Give the trained network the averaged mask, so that it settles on the mask that is exported."""
        self.trained.sampling.load_state_dict(self.pipeline.sampling.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """The averages by name. The tensors are not copied."""
        return self.pipeline.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict``."""
        self.pipeline.load_state_dict(state)
