"""Mirror images and shift them circularly by whole pixels; no pixel value is interpolated.

Along one axis of S pixels an image x becomes x'[j] = x[(sign j + offset) mod S]: (-1, -1) mirrors it, (1, -s) shifts it
by s. With F centred, k counted from DC and c = S // 2, k-space changes by a phase and, where mirrored, by its index:

    F x'[k] = exp(2 pi i k (sign offset + (1 - sign) c) / S) F x[sign k],     F x[-k] = conj(F x[k]) where x is real

A phase ramp commutes with any mask M. So |F^-1 M F .| of real images commutes with every shift, and with mirroring
along both axes at once. With mirroring along one axis it commutes where M keeps (-kx, ky) together with (kx, ky) or
with (-kx, -ky). Every mask of lines does so; a mask of points only where it has that symmetry.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tune_ks.data.dataset import Batch
from tune_ks.model.transforms.base import Transform
from tune_ks.training.augmentations.base import Augmentation

REACH = 16  # shifts of at most 1/16 of the side, as by a crop of 224 of 256 pixels (Krizhevsky et al., NIPS 2012)


@dataclass(frozen=True)
class Moves(Augmentation):
    """``flips``: mirrored along each axis with probability 1/2. ``shifts``: by up to side / REACH pixels, uniformly."""

    flips: bool = False
    shifts: bool = False

    def draw(self, size: int, side: int, stream: np.random.Generator) -> Tensor | None:
        """(size, 2, 2) int64: (sign, offset) along the columns' index and along the rows', for each image."""
        sign = np.ones((2, size), dtype=np.int64)
        if self.flips:
            sign[stream.random((2, size)) < 0.5] = -1
        offset = (sign - 1) // 2  # a mirrored axis begins at its last pixel
        if self.shifts:
            reach = side // REACH
            offset -= sign * stream.integers(-reach, reach, (2, size), endpoint=True)
        return torch.from_numpy(np.stack([sign, offset], axis=-1)).transpose(0, 1)

    def apply(self, batch: Batch, draws: Tensor | None) -> Batch:
        if draws is None:
            return batch
        return batch._replace(image=moved(batch.image, draws), target=moved(batch.target, draws))

    def commutes(self, transform: Transform) -> bool:
        """With the Fourier transform shifts always commute; a mirror along one axis only for masks of lines."""
        of_lines = len(transform.axes) == 1
        return transform.has_conjugate_symmetry and (of_lines or not self.flips)

    def commutes_on_coils(self, transform: Transform) -> bool:
        """Shifts only: a mirror image of complex values has other lines under the mask."""
        return not self.flips and self.commutes(transform)


def moved(values: Tensor, moves: Tensor) -> Tensor:
    """(B, C, S, S) -> the same shape, image i moved by row i of ``moves`` (B, 2, 2)."""
    count, channels, side, _ = values.shape
    sign, offset = moves[..., None].unbind(-2)  # (B, 2, 1) each
    columns, rows = ((sign * torch.arange(side, device=moves.device) + offset) % side).unbind(1)  # (B, S) each
    first = side * torch.arange(count * channels, device=moves.device).view(count, channels, 1)
    values = values.flatten(0, 2).index_select(0, (first + rows[:, None]).flatten()).view_as(values)  # whole rows
    return values.gather(-1, columns[:, None, None, :].expand(values.shape))
