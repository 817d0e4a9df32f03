"""Spike: one coefficient of k-space is far too large, so stripes cover the image (herringbone artefact)."""

import numpy as np
import torch
from torch import Tensor

from tune_ks.training.corruptions.base import kspace, magnitude

STRENGTHS = (0.02, 0.05, 0.1, 0.2, 0.4)  # of DC


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """|y(k)| = ``strength`` |y(0)| at one random k in the inner half of k-space, its phase kept.

    y(-k) stays as it was, so the image is complex, and its magnitude is shown (MONAI's KSpaceSpikeNoise: the real
    part, in which the stripes have half the height).
    """
    rng = np.random.default_rng(seed)
    place = []
    for size in image.shape[-2:]:
        sign = (-1) ** rng.integers(2)
        place.append(int(size // 2 + sign * rng.integers(2, size // 4)))
    row, column = place
    height, width = image.shape[-2:]
    coefficients = kspace(image)
    size_of_spike = strength * coefficients[0, height // 2, width // 2].abs().clamp(min=1e-6)
    coefficients[0, row, column] = torch.polar(size_of_spike, coefficients[0, row, column].angle())
    return magnitude(coefficients)
