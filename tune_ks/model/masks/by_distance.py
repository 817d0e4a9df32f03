"""A mask or its probabilities, summed up by the distance from DC: a few numbers for lines and for points alike."""

import torch
from torch import Tensor


def whole_distance(radius: Tensor) -> Tensor:
    """(H or 1, W) distances from DC -> (N,) int64, each rounded to a whole number."""
    return torch.floor(radius.flatten() + 0.5).long()


def sum_by_distance(values: Tensor, radius: Tensor) -> Tensor:
    """(H or 1, W) values and distances from DC -> (D,) float64, their sum at each whole distance 0 to D - 1."""
    distance = whole_distance(radius)
    sums = torch.zeros(int(distance.max()) + 1, dtype=torch.float64)
    return sums.index_add_(0, distance.cpu(), values.flatten().double().cpu())


def mean_by_distance(values: Tensor, radius: Tensor) -> Tensor:
    """(H or 1, W) values -> (D,) float64, their mean at each whole distance; 0 where no coefficient lies there."""
    counts = sum_by_distance(torch.ones_like(radius), radius)
    return sum_by_distance(values, radius) / counts.clamp(min=1)
