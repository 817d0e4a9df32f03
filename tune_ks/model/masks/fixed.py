"""Masks without parameters: a family is one function that selects a given number of coefficients."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from tune_ks.model.masks.base import Mask

CHOSEN_BYTES = 2**28  # a conditional training of points meets thousands of counts


class FixedMask(Mask):
    """The same mask for every image, of exactly round(rate N) coefficients (if tied, at most one less).

    ``select(count)`` is called once per count; the masks are kept in ``chosen``, up to CHOSEN_BYTES. Rates are read by
    the host, which waits for a GPU where they lie there: a training gives them on the host.
    """

    learned = False
    random = False

    def __init__(self, radius: Tensor, rate: float, **shared: Any) -> None:
        super().__init__(radius, rate, **shared)
        self.chosen: dict[int, Tensor] = {}

    @abstractmethod
    def select(self, count: int) -> Tensor:
        """(H or 1, W) bool mask with ``count`` true values, including the centre."""

    def probability(self, rate: Tensor) -> Tensor:
        return torch.stack([self.chosen[count] for count in self.prepare(rate)])

    def prepare(self, rate: Tensor) -> list[int]:
        """Select the masks of (B,) rates; returns their counts."""
        counts = (rate * self.radius.numel()).round().clamp(min=1).long().tolist()
        if len(set(self.chosen) | set(counts)) * self.radius.nbytes > CHOSEN_BYTES:
            self.chosen = {count: mask for count, mask in self.chosen.items() if count in counts}
        for count in set(counts) - set(self.chosen):
            self.chosen[count] = self.whole_pairs(self.select(count)).to(self.radius)
        return counts

    def draw(self, rate: Tensor) -> Tensor:
        return self.probability(rate)

    def binary(self, rate: Tensor) -> Tensor:
        return self.probability(rate)

    def first(self, preference: Tensor, count: int) -> Tensor:
        """The centre, then the others in the order of ``preference`` (N,) of indices, until ``count`` are kept."""
        kept = self.centre.flatten().clone()
        others = preference[~kept[preference]]
        kept[others[: max(0, count - int(kept.sum()))]] = True
        return kept.reshape(self.radius.shape)
