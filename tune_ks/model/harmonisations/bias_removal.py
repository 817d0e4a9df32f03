"""Bias-field removal by homomorphic unsharp masking: slow changes of the brightness are divided out.

    x' = x exp(mean b - b),     b = (G * w log x) / (G * w)

G is a Gaussian of ``bias_width`` sides, w is 1 where x lies above ``FLOOR`` of the image's mean and 0 elsewhere, and
the mean of b is taken where w is 1 (Axel et al., AJR 148:418, 1987; Brinkmann et al., IEEE Trans. Med. Imaging 17:161,
1998). The convolution is circular, so that it commutes with shifts. N4 (``n4``) fits b more finely, but takes
about a hundred times as long, which is too long for every step of a training.
"""

import torch
from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.model.harmonisations.base import Harmonisation

FLOOR = 0.1  # of the image's mean: pixels below it are background, whose logarithm means nothing
SMALLEST_WEIGHT = 1e-3  # of G * w: farther than that from all tissue, b is not known and falls to its mean


class BiasRemoval(Harmonisation):
    """``bias_width`` is the standard deviation of G in units of the image's side."""

    def __init__(self, bias_width: float = 0.2) -> None:
        super().__init__()
        self.bias_width = bias_width

    def identity(self) -> tuple:
        return (*super().identity(), self.bias_width)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        tissue = tissue_of(image)
        logarithm = image.clamp(min=1e-6).log()
        weight = self._smoothed(tissue)
        bias = self._smoothed(tissue * (logarithm - mean_in(tissue, logarithm))) / weight.clamp(min=SMALLEST_WEIGHT)
        return image * (mean_in(tissue, bias) - bias).exp()

    def _smoothed(self, image: Tensor) -> Tensor:
        """G * image."""
        height, width = image.shape[-2:]
        rows = torch.fft.fftfreq(height, 1 / height, device=image.device)
        columns = torch.fft.rfftfreq(width, 1 / width, device=image.device)
        exponent = -2 * (torch.pi * self.bias_width) ** 2
        response = (exponent * (rows[:, None] ** 2 + columns**2)).exp()
        return torch.fft.irfft2(torch.fft.rfft2(image) * response, s=(height, width))


def tissue_of(image: Tensor) -> Tensor:
    """(..., H, W) of 0 and 1: 1 where an image lies above FLOOR of its mean."""
    return (image > FLOOR * image.mean((-2, -1), keepdim=True)).to(image.dtype)


def mean_in(tissue: Tensor, values: Tensor) -> Tensor:
    """(..., 1, 1): the mean of ``values`` (..., H, W) where ``tissue`` is 1; 0 where there is none."""
    return (tissue * values).sum((-2, -1), keepdim=True) / tissue.sum((-2, -1), keepdim=True).clamp(min=1)


WIDTH = Option("bias_width", 0.2, "width of the Gaussian that finds the bias field, in sides of the image", above=0)
MEMBER = Member(BiasRemoval, (WIDTH,))
