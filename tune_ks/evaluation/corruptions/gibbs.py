"""Gibbs ringing: k-space is cut off early, so edges ring (Morelli et al., RadioGraphics 31, 2011)."""

from torch import Tensor

STRENGTHS = (0.3, 0.5, 0.65, 0.75, 0.85)


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """k-space is zero beyond the radius (1 - ``strength``) N / sqrt(2); MONAI's. Not random."""
    from monai.transforms.intensity.array import GibbsNoise

    return GibbsNoise(strength)(image).as_tensor().real
