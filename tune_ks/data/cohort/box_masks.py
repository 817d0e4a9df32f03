"""Boxes of a reconstructed matrix as masks on the grid of the images that are made of raw k-space."""

import numpy as np

from tune_ks.data.layouts.fastmri import Box
from tune_ks.data.raw.header import RawHeader


def mask_of(boxes: list[Box], header: RawHeader, side: int) -> np.ndarray:
    """(side, side) uint8: 1 where more than half of a pixel lies in a box; of a small box the pixel with most of it.

    Boxes are pixels of the reconstructed matrix, ``y`` counted from its last row (see the layout). Both grids have
    index n // 2 at the same place.
    """
    mask = np.zeros((side, side), np.uint8)
    grid = header.reconstructed
    pixel_mm = header.encoded.columns_mm / side
    for box in boxes:
        top = grid.rows - box.y - box.height
        row_share = _covered(top, box.height, grid.rows, grid.rows_mm, side, pixel_mm)
        column_share = _covered(box.x, box.width, grid.columns, grid.columns_mm, side, pixel_mm)
        share = np.outer(row_share, column_share)
        mask[share > 0.5] = 1
        if not (share > 0.5).any() and share.any():
            mask[np.unravel_index(share.argmax(), share.shape)] = 1
    return mask


def _covered(start: float, length: float, count: float, field_mm: float, side: int, pixel_mm: float) -> np.ndarray:
    """(side,) share of each new pixel that the old ones from ``start`` on cover, of ``count`` in ``field_mm``."""
    old_mm = field_mm / count
    low = (start - 0.5 - count // 2) * old_mm / pixel_mm  # in new pixels, from the centre of the one in the middle
    high = low + length * old_mm / pixel_mm
    centre = np.arange(side) - side // 2
    return (np.minimum(centre + 0.5, high) - np.maximum(centre - 0.5, low)).clip(min=0)
