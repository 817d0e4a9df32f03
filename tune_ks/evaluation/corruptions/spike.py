"""Spike: one coefficient of k-space is far too large, so stripes run through the image (herringbone)."""

import math

import numpy as np
from torch import Tensor

STRENGTHS = (0.02, 0.05, 0.1, 0.2, 0.4)  # of DC


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """|y(k)| = ``strength`` |y(0)| at one random k in the inner half of k-space, its phase kept; MONAI's."""
    from monai.transforms.intensity.array import KSpaceSpikeNoise

    rng = np.random.default_rng(seed)
    place = tuple(int(size // 2 + (-1) ** rng.integers(2) * rng.integers(2, size // 4)) for size in image.shape[-2:])
    largest = max(float(image.sum()), 1e-6)  # DC of an image that is nowhere negative, in MONAI's scaling
    return KSpaceSpikeNoise(place, math.log(strength * largest))(image).as_tensor().real
