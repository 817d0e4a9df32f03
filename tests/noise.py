"""Images of noise, for networks that need no content."""

import torch


def images(count, side=64, seed=0):
    """(count, 1, side, side), each value in [0, 1)."""
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed))
