"""Gibbs ringing: k-space is cut off early, so edges ring (Morelli et al., RadioGraphics 31, 2011)."""

import torch
from torch import Tensor

from tune_ks.training.corruptions.base import kspace, magnitude

STRENGTHS = (0.3, 0.5, 0.65, 0.75, 0.85)


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """k-space is zero beyond the distance (1 - ``strength``) N / sqrt(2) from DC, N the longer side. Not random.

    MONAI's GibbsNoise has the same radius, but about (N - 1) / 2, half a line beside DC, so that its image is complex;
    it shows the real part.
    """
    height, width = image.shape[-2:]
    rows = torch.arange(height, device=image.device) - height // 2
    columns = torch.arange(width, device=image.device) - width // 2
    square = ((1 - strength) * max(height, width)) ** 2 / 2
    kept = rows[:, None] ** 2 + columns[None, :] ** 2 <= square + 1e-6  # what lies on the edge is kept
    return magnitude(kspace(image) * kept)
