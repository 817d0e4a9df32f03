"""The lines of k-space, or the rings of a mask of points, in groups that are taken out of a mask together."""

import math
from typing import NamedTuple

import numpy as np

from tune_ks.model.transforms.base import Transform

MOST = 64  # groups beside that of DC


class LineGroups(NamedTuple):
    """G groups of the coefficients of one mask, from one end of k-space to the other; rings begin at DC."""

    first: np.ndarray  # (G,) lines from DC, or rings: of the group's first one
    last: np.ndarray  # (G,) of its last one
    size: np.ndarray  # (G,) coefficients
    kept: np.ndarray  # (G,) how many of them the mask keeps
    group_of: np.ndarray  # (H or 1, W) of each coefficient


def line_groups(mask: np.ndarray, transform: Transform) -> LineGroups:
    """(H or 1, W) mask of 0 and 1 -> its groups: one line, or one ring of points at the same whole distance from DC.

    Where there are more than MOST beside DC, a group holds neighbours, as many on either side of DC. The corners of
    k-space, beyond the outermost line, belong to the last ring.
    """
    place = _lines_from_dc(mask, transform) if len(mask) == 1 else _rings(mask, transform)
    together = max(1, math.ceil((len(np.unique(place)) - 1) / MOST))
    number = np.sign(place) * np.ceil(np.abs(place) / together).astype(int)
    names, group_of = np.unique(number, return_inverse=True)
    group_of = group_of.reshape(mask.shape)
    return LineGroups(
        first=np.array([place[number == name].min() for name in names]),
        last=np.array([place[number == name].max() for name in names]),
        size=np.bincount(group_of.ravel()),
        kept=np.bincount(group_of.ravel(), weights=mask.ravel() != 0).astype(int),
        group_of=group_of,
    )


def _lines_from_dc(mask: np.ndarray, transform: Transform) -> np.ndarray:
    """(1, W): how many lines lie between each line and DC, below 0 on the left."""
    width = mask.shape[1]
    return (np.arange(width) - transform.dc(width))[None]


def _rings(mask: np.ndarray, transform: Transform) -> np.ndarray:
    """(H, W): the whole distance of each point from DC."""
    height, width = mask.shape
    radius = transform.radius(height, width).numpy()
    outermost = min(max(transform.dc(size), size - 1 - transform.dc(size)) for size in mask.shape)
    return np.floor(radius + 0.5).astype(int).clip(max=outermost)
