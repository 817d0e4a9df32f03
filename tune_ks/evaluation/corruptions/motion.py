"""Motion: the patient lies elsewhere while some of the phase-encoding lines are acquired."""

import math

import numpy as np
import torch
from torch import Tensor

from tune_ks.evaluation.corruptions.base import kspace, magnitude

STRENGTHS = (0.005, 0.01, 0.02, 0.04, 0.06)  # of the side
SEGMENTS = 8  # of lines acquired in one position each


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """Column k of k-space comes from x shifted by d_j, j its segment: times exp(-2 pi i (k_y d_y + k_x d_x) / N).

    Rigid in-plane translations (Shaw et al., MIDL 2019), normal with standard deviation ``strength`` sides; the segment
    of DC does not move, so that the image stays where it is.
    """
    height, width = image.shape[-2:]
    rows, columns = (torch.arange(size) - size // 2 for size in (height, width))
    moved = np.random.default_rng(seed).normal(size=(SEGMENTS, 2)) * strength * np.array([height, width])
    segment = torch.arange(width) * SEGMENTS // width
    moved[segment[width // 2]] = 0
    down, across = torch.from_numpy(moved).to(image.dtype)[segment].T
    angle = -2 * math.pi * (rows[:, None] * down / height + columns * across / width)
    return magnitude(kspace(image) * torch.polar(torch.ones_like(angle), angle).to(image.device))
