"""y = M F x: what the scanner would keep of an image."""

from typing import NamedTuple

from torch import Tensor, nn

from tune_ks.masks.base import Mask
from tune_ks.transforms.base import Transform


class Measurement(NamedTuple):
    """``kspace`` (B, 1, H, W) masked coefficients; ``mask`` (B, 1, H or 1, W) of what was kept."""

    kspace: Tensor
    mask: Tensor


class Sampling(nn.Module):
    """(B, 1, H, W) images and (B,) sampling rates -> what is kept of k-space."""

    def __init__(self, transform: Transform, mask: Mask) -> None:
        super().__init__()
        self.transform = transform
        self.mask = mask

    def forward(self, image: Tensor, rate: Tensor) -> Measurement:
        mask = self.mask(rate)
        return Measurement(mask * self.transform.forward(image), mask)
