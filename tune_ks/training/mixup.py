"""Mixup: every training image and its label become a mean of two (Zhang et al., ICLR 2018).

    x' = m x + (1 - m) x_j,   t' = m t + (1 - m) t_j,   m = max(b, 1 - b),   b ~ Beta(alpha, alpha)

j is another place in the same batch. Because m is at least one half, x' keeps the acquisition parameters of x. The
magnitude |F^-1 M F .| of a mean is not the mean of the magnitudes, so mixing does not commute with a mask.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.options import Option
from tune_ks.data.dataset import Batch

# not for coils: the phases of two of their images have nothing in common
MIXUP = Option(
    "mixup", 0.0, "alpha of mixup, which mixes training images in pairs; 0: none", least=0, takes_coils=False
)


class Mixing(NamedTuple):
    """The random numbers of mixing a batch of B images."""

    partner: Tensor  # (B,) int64, j
    share: Tensor  # (B,) float32, m


def draw_mixing(size: int, alpha: float, stream: np.random.Generator) -> Mixing:
    """The random numbers of one batch of ``size`` images, on the CPU."""
    partner = stream.permutation(size)
    share = stream.beta(alpha, alpha, size)
    return Mixing(torch.from_numpy(partner), torch.from_numpy(np.maximum(share, 1 - share)).float())


def mixed(batch: Batch, mixing: Mixing) -> Batch:
    """The batch with mixed images and labels."""
    label = batch.label.lerp(batch.label[mixing.partner], 1 - mixing.share)
    rest = (1 - mixing.share)[:, None, None, None]
    return batch._replace(image=batch.image.lerp(batch.image[mixing.partner], rest), label=label)
