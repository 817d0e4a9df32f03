"""Thresholded k-space division (TKD, threshold 0.2) of the sampled field: what QSM reaches without a network.

It learns nothing, so nothing is fitted: the zero-filled field of every image is divided by the dipole kernel of its own
geometry (Shmueli et al., Magn. Reson. Med. 62:1510, 2009).
"""

import numpy as np

from tune_ks.data.dipole import GEOMETRY, truncated_division
from tune_ks.evaluation.yardsticks.base import Scores, Seen, Yardstick

ZERO = 0.5  # the pixel of a field of 0 (tune_ks.data.cohort.map_scan)


def fit(train: Seen, val: Seen) -> Scores:
    """The scores do not depend on the training images."""
    return scores


def scores(images: Seen) -> np.ndarray:
    """(n,) R2 of each map; NaN where the true map is 0 everywhere."""
    of_chunks = [np.empty(0)]
    done = 0
    for fields, truth in zip(images.chunks(), images.maps(), strict=True):
        maps = inverted(fields, images.acquisition[done : done + len(fields)])
        done += len(fields)
        error = np.square(maps - truth).sum((1, 2))
        energy = np.square(truth).sum((1, 2))
        of_chunks.append(1 - error / np.where(energy > 0, energy, np.nan))
    return np.concatenate(of_chunks)


def inverted(images: np.ndarray, acquisition: np.ndarray) -> np.ndarray:
    """(n, S, S) sampled field maps, their acquisition (n, A) with GEOMETRY last -> (n, S, S) susceptibility."""
    maps = np.empty(images.shape, np.float32)
    for number, (image, geometry) in enumerate(zip(images, acquisition[:, -len(GEOMETRY) :], strict=True)):
        voxel_x, voxel_y, _, b0_x, b0_y, _ = geometry.tolist()
        maps[number] = truncated_division(image - ZERO, (voxel_y, voxel_x), (b0_y, b0_x))
    return maps


YARDSTICK = Yardstick("map", fit)
