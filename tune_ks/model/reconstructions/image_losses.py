"""Losses of a restored image by name, each (B,): one number an image, and the size that makes them comparable."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tune_ks.model.sampling import Measurement

WINDOW = 11  # pixels of the SSIM's Gaussian window, whose standard deviation is DEVIATION
DEVIATION = 1.5
C1 = 0.01**2  # against division by 0
C2 = 0.03**2


class ImageLoss(NamedTuple):
    """``of_images`` maps a measurement, restored images and full images, (B, 1, H, W), to (B,) losses.

    ``scale`` is a usual value of it, by which it is divided before losses are mixed.
    """

    of_images: Callable[[Measurement, Tensor, Tensor], Tensor]
    scale: float


def absolute(measurement: Measurement, restored: Tensor, image: Tensor) -> Tensor:
    """Mean |x' - x| over the pixels of each image."""
    return (restored - image).abs().mean((1, 2, 3))


def squared(measurement: Measurement, restored: Tensor, image: Tensor) -> Tensor:
    """Mean (x' - x)^2."""
    return (restored - image).square().mean((1, 2, 3))


def unlike(measurement: Measurement, restored: Tensor, image: Tensor) -> Tensor:
    """1 - SSIM for a range of 1, without a border (Wang et al., IEEE TIP 2004), as MONAI computes it.

    The window's means are products with matrices: MONAI's convolution takes half of a training step on a CPU.
    """
    rows = window_means(image.shape[-2], image)
    columns = window_means(image.shape[-1], image).T

    def mean(values: Tensor) -> Tensor:
        return rows @ values @ columns

    mean_restored = mean(restored)
    mean_image = mean(image)
    product = mean_restored * mean_image
    squares = mean_restored.square() + mean_image.square()
    covariance = mean(restored * image) - product
    variances = mean(restored.square() + image.square()) - squares
    ssim = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    return 1 - ssim.mean((1, 2, 3))


def window_means(size: int, like: Tensor) -> Tensor:
    """(size - w + 1, size) matrix whose rows are the Gaussian weights of a window of w pixels at every position."""
    window = min(WINDOW, size)
    position = torch.arange(window, dtype=like.dtype, device=like.device) - (window - 1) / 2
    weight = torch.exp(-(position**2) / (2 * DEVIATION**2))
    weight = weight / weight.sum()
    count = size - window + 1
    rows = [functional.pad(weight, (start, count - 1 - start)) for start in range(count)]
    return torch.stack(rows)


def inconsistent(measurement: Measurement, restored: Tensor, image: Tensor) -> Tensor:
    """Mean |M F x' - y|^2 over the coefficients: how far from what was measured; the full image is not read."""
    unexplained = measurement.mask * measurement.transform.forward(restored) - measurement.kspace
    return unexplained.abs().square().mean((1, 2, 3))


def rough(measurement: Measurement, restored: Tensor, image: Tensor) -> Tensor:
    """Mean |x'(i + 1, j) - x'(i, j)| + |x'(i, j + 1) - x'(i, j)|: total variation; the full image is not read."""
    variation = restored.diff(dim=-1).abs().sum((1, 2, 3)) + restored.diff(dim=-2).abs().sum((1, 2, 3))
    return variation / restored[0].numel()


# the scales of l1 and ssim are those of Wang et al., MELBA 2022; the others are means of zero-filled phantom images of
# 64 px at 8 of 64 lines by the low-pass
IMAGE_LOSSES = {
    "l1": ImageLoss(absolute, 0.0556),
    "ssim": ImageLoss(unlike, 0.322),
    "mse": ImageLoss(squared, 0.008),
    "consistency": ImageLoss(inconsistent, 0.0004),
    "tv": ImageLoss(rough, 0.05),
}
