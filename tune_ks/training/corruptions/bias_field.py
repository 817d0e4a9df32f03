"""Bias field: the coil is more sensitive on one side (van Leemput et al., IEEE Trans. Med. Imaging 18, 1999)."""

import numpy as np
import torch
from numpy.polynomial.legendre import leggrid2d
from torch import Tensor

from tune_ks.data.cohort.percentiles import PERCENTILES

STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.6)
DEGREE = 3


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """x' = x exp(b), scaled as x was; b a sum of Legendre polynomials, coefficients uniform in +-``strength``.

    b has the total degree 1 to DEGREE and mean 0, so that it makes the image neither brighter nor darker. A scanner's
    image is scaled after the coil has received it: so x' is mapped to the 1st and 99th percentile of x.
    """
    height, width = image.shape[-2:]
    drawn = np.random.default_rng(seed).uniform(-1, 1, (DEGREE + 1, DEGREE + 1))
    degree = np.add.outer(np.arange(DEGREE + 1), np.arange(DEGREE + 1))
    coefficients = np.where((degree > 0) & (degree <= DEGREE), strength * drawn, 0.0)
    field = leggrid2d(np.linspace(-1, 1, height), np.linspace(-1, 1, width), coefficients)
    factor = torch.from_numpy(np.exp(field - field.mean())).to(image)
    return scaled_as(image, image * factor)


def scaled_as(image: Tensor, worse: Tensor) -> Tensor:
    """``worse``, mapped linearly to the percentiles of ``image``; unchanged where either image has one value there."""
    shares = torch.tensor(PERCENTILES, device=image.device, dtype=image.dtype) / 100
    low, high = image.flatten().quantile(shares)
    low_worse, high_worse = worse.flatten().quantile(shares)
    if not (high > low and high_worse > low_worse):
        return worse
    return (worse - low_worse) * ((high - low) / (high_worse - low_worse)) + low
