"""Motion: the patient lies in another position while some of the phase-encoding lines are acquired."""

import math

import numpy as np
import torch
from torch import Tensor

from tune_ks.training.corruptions.base import kspace, magnitude

STRENGTHS = (0.005, 0.01, 0.02, 0.04, 0.06)  # of the side
SEGMENTS = 8  # groups of lines; the patient rests while a group is acquired


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """Column k of k-space comes from x shifted by d_j, j its segment: times exp(-2 pi i (k_y d_y + k_x d_x) / N).

    Rigid in-plane translations (Shaw et al., MIDL 2019), normal with standard deviation ``strength`` sides; the segment
    of DC does not move, so that the image stays where it is.
    """
    height, width = image.shape[-2:]
    rows = torch.arange(height) - height // 2
    columns = torch.arange(width) - width // 2
    moved = np.random.default_rng(seed).normal(size=(SEGMENTS, 2)) * strength * np.array([height, width])
    segment = torch.arange(width) * SEGMENTS // width
    moved[segment[width // 2]] = 0
    down, across = torch.from_numpy(moved).to(image.dtype)[segment].T
    angle = -2 * math.pi * (rows[:, None] * down / height + columns * across / width)
    return magnitude(kspace(image) * torch.polar(torch.ones_like(angle), angle).to(image.device))
