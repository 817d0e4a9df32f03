"""HQS-Net: half-quadratic splitting, unrolled. x = F^-1[(1 - M) F z + M (lambda F z + y) / (1 + lambda)]."""

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

from tune_ks.core.options import Member
from tune_ks.model.reconstructions.base import CHANNELS, TRAINING, Reconstruction, check_epochs
from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms.base import Transform

STEPS = 5
LAMBDA = 0.0  # images here are sampled without noise: what was measured is kept as it is
ALPHA, BETA = 0.002, 0.005  # weights of wavelets and TV for images in [0, 1]
LEVELS = 3  # of the wavelet transform


class HQSNet(Reconstruction):
    """From x = F^-1 y, STEPS times: z = x + convolutions of x, then the measured coefficients back into z.

    Each step has its ResBlock. Before training z = x, so the result is the zero-filled image.
    Wang et al., MLMIR 2020 (arXiv:2007.14979).

    The authors' code, github.com/alanqrwang/HQSNet, has two values of lambda. Its scripts take 0 where --lmbda is not
    given (scripts/run.py at 849e9d6; scripts/train_network.py at 6c390e5, as data_consistency in hqsnet/loss.py), and
    so do we. The README (43caedd) calls scripts/run.py with --lmbda 1.8, and get_lmbda in hqsnet/utils.py (6c390e5)
    returns 1.8. ALPHA = 0.002 and BETA = 0.005 are get_reg_coeff in that file, and w_coeff and tv_coeff of the README.
    STEPS = 5 (K) and 64 channels are the defaults of scripts/run.py. Three levels of db4 wavelets (get_wavelets in
    hqsnet/loss.py) are Haar's here.
    """

    def __init__(self, transform: Transform, reconstruction_channels: int = 64, **training: Any) -> None:
        super().__init__(transform, **training)
        parts = 2 if transform.is_complex else 1
        self.blocks = nn.ModuleList(ResBlock(parts, reconstruction_channels) for _ in range(STEPS))

    def forward(self, measurement: Measurement) -> Tensor:
        kspace = measurement.kspace
        mask = measurement.mask
        image = self.transform.inverse(kspace)
        for block in self.blocks:
            guess = self.transform.forward(block(image))
            # y = M y for a binary mask; for a relaxed mask this is a mean of y / M and the guess
            measured = (LAMBDA * mask * guess + kspace) / (1 + LAMBDA)
            image = self.transform.inverse((1 - mask) * guess + measured)
        return image

    def loss(self, measurement: Measurement, estimate: Tensor, image: Tensor) -> Tensor:
        """||M F x - y||^2 + alpha ||wavelets of x||_1 + beta TV(x), per pixel; only the size of ``image`` is used.

        A mask trained by this loss makes estimates smooth and sparse, not necessarily close to the image.
        """
        unexplained = measurement.mask * self.transform.forward(estimate) - measurement.kspace
        wavelets = sum(band.abs().sum() for band in haar(estimate, LEVELS))
        return (unexplained.abs().square().sum() + ALPHA * wavelets + BETA * total_variation(estimate)) / image.numel()


class ResBlock(nn.Module):
    """(B, 1, H, W) -> the same: its real (and imaginary) part through five 3 x 3 convolutions, added to it."""

    def __init__(self, parts: int, channels: int) -> None:
        super().__init__()
        sizes = (parts, channels, channels, channels, channels, parts)
        convolutions = [nn.Conv2d(i, o, 3, padding=1) for i, o in itertools.pairwise(sizes)]
        nn.init.zeros_(convolutions[-1].weight)
        nn.init.zeros_(convolutions[-1].get_parameter("bias"))
        self.layers = nn.Sequential(convolutions[0])
        for convolution in convolutions[1:]:
            self.layers.extend([nn.ReLU(), convolution])

    def forward(self, image: Tensor) -> Tensor:
        if not image.is_complex():
            return image + self.layers(image)
        parts = self.layers(torch.cat([image.real, image.imag], dim=1))
        return image + torch.complex(*parts.split(1, dim=1))


def haar(image: Tensor, levels: int) -> list[Tensor]:
    """(..., H, W) -> bands of the orthonormal Haar transform: three of details per level, then the rest.

    The energy is kept for every size: on an axis of odd length the last value stays unchanged.
    """
    bands = []
    for _ in range(levels):
        low, high = sums_and_differences(image, -1)
        image, below = sums_and_differences(low, -2)
        bands += [below, *sums_and_differences(high, -2)]
    return [*bands, image]


def sums_and_differences(image: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """(a + b) / sqrt(2) and (a - b) / sqrt(2) of neighbours along ``axis``."""
    image = image.movedim(axis, -1)
    paired = image.shape[-1] // 2 * 2
    first = image[..., 0:paired:2] / math.sqrt(2)
    second = image[..., 1:paired:2] / math.sqrt(2)
    sums = torch.cat([first + second, image[..., paired:]], dim=-1)
    return sums.movedim(-1, axis), (first - second).movedim(-1, axis)


def total_variation(image: Tensor) -> Tensor:
    """Sum of |x(i + 1, j) - x(i, j)| + |x(i, j + 1) - x(i, j)| over (..., H, W)."""
    return image.diff(dim=-1).abs().sum() + image.diff(dim=-2).abs().sum()


MEMBER = Member(HQSNet, (CHANNELS, *TRAINING), check_epochs, learned=True)
