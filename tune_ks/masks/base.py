"""The contract of M, and the pure functions that its members share.

A mask has N coefficients: N = W for lines, N = H W for points. DC is always kept and counted in the budget.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

PROBABILITY_FLOOR = 1e-6  # inclusion probabilities stay this far from 0 and 1, so that their logits are finite


class Mask(nn.Module, ABC):
    """M of y = M F x. Random and differentiable when training, the one exported binary mask when not.

    So ``mask.eval()`` within a network in training mode trains on the frozen mask (the settle epochs), and
    ``mask.train()`` within one in evaluation mode scores random draws (the export gap).

    ``radius`` (1, W) or (H, W) is the distance from DC; ``seed`` breaks ties among equal probabilities.
    """

    def __init__(self, radius: Tensor, seed: int) -> None:
        super().__init__()
        order = torch.randperm(radius.numel(), generator=torch.Generator().manual_seed(seed))
        self.register_buffer("radius", radius, persistent=False)
        self.register_buffer("order", order, persistent=False)

    @property
    def is_dc(self) -> Tensor:
        """(H or 1, W), true at the one coefficient of radius 0."""
        return self.radius == 0

    @abstractmethod
    def probability(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, H or 1, W) inclusion probabilities; 1 at DC."""

    @abstractmethod
    def draw(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, H or 1, W) one mask an image, differentiable where the family is learned."""

    def binary(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, H or 1, W) of 0 and 1: the mask that is scored and exported."""
        return keep_largest(self.probability(rate).detach(), self.order)

    def forward(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, 1, H or 1, W)."""
        mask = self.draw(rate) if self.training else self.binary(rate)
        return mask[:, None]


def require_a_line(rate: float, radius: Tensor) -> None:
    """ValueError where the rate keeps less than DC."""
    count = radius.numel()
    if rate * count < 1 - 1e-6:
        raise ValueError(
            f"sampling_rate must keep at least one of {count} coefficients, so be 1/{count} = {1 / count:.4g} or more; "
            f"got {rate:.4g}"
        )


def rescale_to_rate(prob: Tensor, rate: Tensor, is_dc: Tensor) -> Tensor:
    """(B or 1, H', W) probabilities -> (B, H', W) whose mean is ``rate`` (B,), DC being 1 and counted in it.

    Over the N - 1 others, with mean m and target a = (rate N - 1) / (N - 1): p a / m where m >= a, else
    1 - (1 - p)(1 - a) / (1 - m); both keep p within [0, 1] (Bahadir et al., IEEE TCI 2020, eq. 6).
    """
    count = is_dc.numel()
    if count == 1:
        return torch.ones_like(prob).expand(len(rate), *prob.shape[1:])
    target = ((rate * count - 1) / (count - 1)).clamp(0, 1)[:, None, None]
    others = torch.where(is_dc, 0, prob)
    mean = others.sum((1, 2), keepdim=True) / (count - 1)
    mean = mean.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    scaled = torch.where(mean >= target, prob * target / mean, 1 - (1 - prob) * (1 - target) / (1 - mean))
    return torch.where(is_dc, 1, scaled)


def keep_largest(prob: Tensor, order: Tensor) -> Tensor:
    """(B, H', W) probabilities -> (B, H', W) with ones at the round(mean(p) N) largest, at least one.

    Equal probabilities are taken in the seeded ``order`` (N,), never by index or radius: an untrained mask, in
    which all are equal, must not turn into a low-pass filter.
    """
    flat = prob.flatten(1)[:, order]
    count = (flat.mean(1) * flat.shape[1]).round().clamp(min=1)
    rank = flat.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    kept = (rank < count[:, None]).to(prob.dtype)
    return torch.empty_like(kept).index_copy_(1, order, kept).reshape(prob.shape)


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of ``hard``, bit for bit, with the gradient of ``soft``."""
    return hard + (soft - soft.detach())
