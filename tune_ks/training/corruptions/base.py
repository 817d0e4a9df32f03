"""What a corruption is: one image -> one image, at one of five severities, the same for the same seed."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tune_ks.core.seeding import seed_for
from tune_ks.model.transforms.fourier import Fourier

SEVERITIES = 5  # 0 is the image itself
FOURIER = Fourier(axes=(-2, -1))


class Corruption(NamedTuple):
    """``corrupt(image, strength, seed)``: (1, H, W) float32 in [0, 1] -> the same shape, any range.

    The seed fixes the random part (where, in which direction), the strength its amount. So an image is corrupted in
    the same way at every severity, only more strongly.

    ``version`` is raised when the same seed and strength give another image. Files of corrupted scores hold it.
    """

    corrupt: Callable[[Tensor, float, int], Tensor]
    strengths: tuple[float, float, float, float, float]  # of severity 1 to 5
    version: int = 1


def corrupted(corruption: Corruption, severity: int, image: Tensor, rows: list[int]) -> Tensor:
    """(B, 1, H, W) images in [0, 1] -> the same, corrupted and clipped to [0, 1]. ``rows`` seed the images' randomness.

    ValueError for a severity outside 0 ... 5; 0 is the identity.
    """
    if not 0 <= severity <= SEVERITIES:
        raise ValueError(f"severity must be from 0 to {SEVERITIES}, got {severity}")
    if severity == 0:
        return image
    strength = corruption.strengths[severity - 1]
    worse = []
    for single, row in zip(image, rows, strict=True):
        worse.append(corruption.corrupt(single, strength, seed_for(row, "corruption")))
    return torch.stack(worse).clamp(0, 1).to(image.dtype)


def kspace(image: Tensor) -> Tensor:
    """(1, H, W) image -> its centred orthonormal k-space, DC at N // 2 of both axes."""
    return FOURIER.forward(image)


def magnitude(kspace: Tensor) -> Tensor:
    """(1, H, W) centred k-space -> the magnitude image that a scanner would show."""
    return FOURIER.inverse(kspace).abs()
