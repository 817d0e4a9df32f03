"""Mask jitter: in training some kept coefficients change places with others, another choice for every image.

A network that has seen many masks of one rate relies less on any single coefficient (mask jitter as an augmentation:
Wattad et al., arXiv:2512.06530). The number of kept coefficients stays; DC and the centre are always kept.
"""

import torch
from torch import Tensor


def jittered(mask: Tensor, centre: Tensor, share: float) -> Tensor:
    """(B, 1, H, W) masks of 0 and 1 -> the same with about ``share`` of the kept coefficients moved to free places.

    ``centre`` (H, W) bool is true where a coefficient stays. Gradients pass to ``mask`` as if nothing had moved.
    """
    flat = mask.flatten(1).detach()
    kept = flat > 0.5
    may_leave = kept & ~centre.flatten()
    leaves = may_leave & (torch.rand_like(flat) < share)
    free = ~kept
    number = leaves.sum(1, keepdim=True).minimum(free.sum(1, keepdim=True))
    leaves = _first(leaves, number)
    enters = _first(free, number)
    moved = (kept & ~leaves) | enters
    return mask + (moved.to(mask.dtype) - flat).view_as(mask)


def _first(allowed: Tensor, number: Tensor) -> Tensor:
    """(B, N) bool: ``number`` (B, 1) of the ``allowed`` places of each row, chosen at random."""
    lottery = torch.rand(allowed.shape, device=allowed.device).masked_fill(~allowed, 2.0)  # never among the first
    place = lottery.argsort(1).argsort(1)
    return allowed & (place < number)
