"""Spike: one coefficient of k-space is far too large, so stripes cover the image (herringbone artefact)."""

import math

import numpy as np
from torch import Tensor

STRENGTHS = (0.02, 0.05, 0.1, 0.2, 0.4)  # of DC


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """|y(k)| = ``strength`` |y(0)| at one random k in the inner half of k-space, its phase kept; MONAI's."""
    from monai.transforms.intensity.array import KSpaceSpikeNoise

    rng = np.random.default_rng(seed)
    place = []
    for size in image.shape[-2:]:
        sign = (-1) ** rng.integers(2)
        place.append(int(size // 2 + sign * rng.integers(2, size // 4)))
    largest = max(float(image.sum()), 1e-6)  # |y(0)| of an image without negative values, in MONAI's scaling
    return KSpaceSpikeNoise(tuple(place), math.log(strength * largest))(image).as_tensor().real
