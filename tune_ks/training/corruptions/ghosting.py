"""Ghosting: every other phase-encoding line is weaker, so that a copy appears half a field of view away."""

import torch
from torch import Tensor

from tune_ks.training.corruptions.base import kspace, magnitude

STRENGTHS = (0.1, 0.2, 0.4, 0.6, 0.8)


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """x' = (1 - s / 2) x + s / 2 x shifted by W / 2: the columns at odd distance from DC times 1 - s. Not random.

    The Nyquist ghost of echo trains and of periodic motion. W must be even for the two forms to agree exactly.
    torchio's Ghosting with two ghosts weakens the columns 0, 2, 4 ... instead, and restores DC. These are the columns
    at odd distance from DC only where W / 2 is odd; where it is even (64, 256) they are those at even distance, so its
    ghost has the opposite sign, and the brightness of the image itself falls with the strength.
    """
    coefficients = kspace(image)
    width = image.shape[-1]
    odd = (torch.arange(width, device=image.device) - width // 2) % 2 == 1
    return magnitude(torch.where(odd, (1 - strength) * coefficients, coefficients))
