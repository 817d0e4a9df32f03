"""The occupied band of the images that a trial was trained on, and the kept lines that lie outside it.

The band of a whole cohort, by vendor and series, is measured in tune_ks/data/occupied.py. A mask that spends its budget
outside of it keeps nothing.
"""

from typing import NamedTuple

import numpy as np
import torch

from tune_ks.data.dataset import Images
from tune_ks.data.occupied import IMAGES, band_radius
from tune_ks.model.transforms.base import Transform

AT_ONCE = 32  # images: the k-space of 32 images of 256 pixels takes 16 MiB


class Occupied(NamedTuple):
    """``share`` of the coefficients lies in the band, and ``kept_outside`` of those that the mask keeps does not."""

    share: float
    kept_outside: int


def occupied_band(energy: np.ndarray, radius: torch.Tensor, mask: np.ndarray) -> Occupied:
    """For the exported ``mask`` (W,) or (H, W); ``energy``, of ``mean_energy``, and ``radius`` are (1, W) or (H, W).

    The band is the smallest disc (for lines: interval) around DC that holds ENERGY of what the images hold beyond DC.
    Without any energy beyond DC it is DC alone.
    """
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
