"""How much of the stored k-space holds anything: the occupied band, and the kept lines that lie outside it.

Scanners fill outer k-space with zeros, and images are resampled: the outer lines of the stored image are then (nearly)
empty. A rate counts them all the same, and a mask that spends its budget on them keeps nothing.
"""

from typing import NamedTuple

import numpy as np
import torch

from tune_ks.data.dataset import Images
from tune_ks.model.transforms.base import Transform

ENERGY = 0.99  # share of the energy beyond DC that the occupied band holds
IMAGES = 256  # images that are looked at, evenly spread over the training images
AT_ONCE = 32  # of them: the k-space of 32 images of 256 pixels takes 16 MiB


class Occupied(NamedTuple):
    """``share`` of the coefficients lies in the band, and ``kept_outside`` of those that the mask keeps does not."""

    share: float
    kept_outside: int


def occupied_band(images: Images, transform: Transform, radius: torch.Tensor, mask: np.ndarray) -> Occupied:
    """Measured on the training images, for the exported ``mask`` (W,) or (H, W); ``radius`` is (1, W) or (H, W).

    The band is the smallest disc (for lines: interval) around DC that holds ENERGY of what the images hold beyond DC.
    Without any energy beyond DC it is DC alone.
    """
    energy = mean_energy(images, transform, radius.shape[0])
    distance = radius.cpu().numpy()
    reach = band_radius(energy, distance)
    outside = distance > reach
    return Occupied(float((~outside).mean()), int((outside & mask.reshape(distance.shape)).sum()))


@torch.no_grad()
def mean_energy(images: Images, transform: Transform, rows: int) -> np.ndarray:
    """(1, W) for masks of lines (``rows`` 1), (H, W) for masks of points: mean energy of each coefficient."""
    count = min(IMAGES, len(images))
    index = torch.linspace(0, len(images) - 1, count).round().long()
    energy = torch.zeros(images.side, images.side, dtype=torch.float64)
    for chunk in index.split(AT_ONCE):
        energy += transform.forward(images.gather(chunk).image).abs().square().double().sum((0, 1)) / count
    return (energy.mean(0, keepdim=True) if rows == 1 else energy).numpy()


def band_radius(energy: np.ndarray, distance: np.ndarray) -> float:
    """The smallest distance from DC within which ENERGY of the energy beyond DC lies."""
    order = distance.argsort(axis=None)
    outwards = distance.flat[order]
    within = np.where(outwards > 0, energy.flat[order], 0.0).cumsum()
    if within[-1] <= 0:
        return 0.0
    return float(outwards[np.searchsorted(within, ENERGY * within[-1] * (1 - 1e-12))])
