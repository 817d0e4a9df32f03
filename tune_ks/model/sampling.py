"""y = M F x: what the scanner would keep of an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from tune_ks.model.jitter import jittered
from tune_ks.model.masks.base import Mask
from tune_ks.model.transforms.base import Transform, root_sum_of_squares


def combined(image: Tensor) -> Tensor:
    """Complex images of coils (B, coils, H, W) -> (B, 1, H, W) real; magnitude images stay as they are."""
    return root_sum_of_squares(image) if image.is_complex() else image


@dataclass(frozen=True)
class Measurement:
    """The k-space of ``image`` (B, 1, H, W) that ``mask`` (B, 1, H or 1, W) keeps, computed when it is read.

    Of raw k-space ``image`` is the complex image of every coil, (B, coils, H, W), and so is ``kspace``.

    Often only the zero-filled magnitude is needed, which costs less than k-space. A reconstruction must use ``kspace``
    or ``zero_filled``, never ``image``.
    """

    image: Tensor
    mask: Tensor
    transform: Transform

    @cached_property
    def kspace(self) -> Tensor:
        """(B, 1, H, W) y = M F x."""
        return self.mask * self.transform.forward(self.image)

    @property
    def full(self) -> Tensor:
        """(B, 1, H, W) the fully sampled magnitude; a reconstruction must not use it either."""
        return combined(self.image)

    @cached_property
    def zero_filled(self) -> Tensor:
        """(B, 1, H, W) |F^-1 y|, real."""
        return self.transform.magnitude(self.image, self.mask)


def zero_fill_together(measurements: Sequence[Measurement]) -> None:
    """Compute ``zero_filled`` of several measurements of the same size, in one call for each kind of transform."""
    kinds: dict[tuple, list[Measurement]] = {}
    for measurement in measurements:
        transform = measurement.transform
        kind = (type(transform), transform.axes, transform.masks_are_symmetric, measurement.image.is_complex())
        kinds.setdefault(kind, []).append(measurement)
    for alike in kinds.values():
        images = torch.cat([measurement.image for measurement in alike])
        masks = torch.cat([measurement.mask for measurement in alike])
        magnitudes = alike[0].transform.magnitude(images, masks).chunk(len(alike))
        for measurement, magnitude in zip(alike, magnitudes, strict=True):
            vars(measurement)["zero_filled"] = magnitude  # where the cached property would keep it


class Sampling(nn.Module):
    """(B, 1, H, W) images and (B,) sampling rates -> their Measurement.

    In training mode a share ``jitter`` of the kept coefficients moves, another one for each image.
    """

    def __init__(self, transform: Transform, mask: Mask, jitter: float = 0.0) -> None:
        super().__init__()
        if mask.tied and jitter:
            raise ValueError(f"mask_jitter must be 0 where hermitian is 'tied', got {jitter:g}: it would part k and -k")
        if mask.tied and not transform.has_conjugate_symmetry:
            name = type(transform).__name__.lower()
            raise ValueError(f"hermitian 'tied' needs the transform 'fourier', got {name!r}")
        transform.masks_are_symmetric = mask.tied
        self.transform = transform
        self.mask = mask
        self.jitter = jitter

    def forward(self, image: Tensor, rate: Tensor, mask: Tensor | None = None) -> Measurement:
        """``mask`` (1 or B, H or 1, W) replaces the mask's own, where the caller has computed it for these rates."""
        of_images = self.mask(rate) if mask is None else mask.expand(rate.shape[0], -1, -1)[:, None]
        if self.jitter and self.training:
            of_images = jittered(of_images, self.mask.centre, self.jitter)
        return Measurement(image, of_images, self.transform)
