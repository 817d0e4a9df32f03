"""How far from DC a mask reaches: the share kept at each distance, against low-pass at the same rate."""

from typing import NamedTuple

import numpy as np


class Profile(NamedTuple):
    """Shares in [0, 1] at each whole distance from DC, 0 to N // 2."""

    distance: np.ndarray  # (D,)
    probability: np.ndarray  # mean inclusion probability there; of a fixed family, its mask
    mask: np.ndarray  # share of the exported mask there
    lowpass: np.ndarray  # share that keeping the nearest to DC would leave, with the same budget


def profile(mask: np.ndarray, probability: np.ndarray | None = None) -> Profile:
    """(W,) or (H, W) binary mask with DC at the centre N // 2 -> its profile; columns of lines, discs of points."""
    offsets = [np.arange(size) - size // 2 for size in mask.shape]
    radius = np.sqrt(sum(o.astype(float) ** 2 for o in np.meshgrid(*offsets, indexing="ij")))
    distance = np.floor(radius + 0.5).astype(int).clip(max=min(mask.shape) // 2)
    nearest = np.zeros(mask.size)
    nearest[np.argsort(radius.ravel(), kind="stable")[: int(mask.sum())]] = 1
    members = np.bincount(distance.ravel())

    def share(values: np.ndarray) -> np.ndarray:
        return np.bincount(distance.ravel(), weights=values.ravel().astype(float)) / members

    known = probability if probability is not None and probability.shape == mask.shape else mask
    return Profile(np.arange(len(members)), share(known), share(mask), share(nearest.reshape(mask.shape)))
