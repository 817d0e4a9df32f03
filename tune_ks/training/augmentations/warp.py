"""Mirror, shift, turn, zoom and bend an image in one interpolation, then change its intensities.

With u drawn uniformly from [-1, 1] for each image and each amount, the pixel of the new image at p (in units of the
side, from its centre) is read at

    q = D(+-1) R(angle u) (1 + zoom)^u p + shift u + elastic b(p)

b is a smooth field: bicubic between GRID x GRID points that are uniform in [-1, 1]. The image is read bilinearly, its
target at the nearest pixel; beyond the border the pixel at the border goes on, so that no dark frame tells how an
image was moved. Then

    x' = (1 + contrast)^u x^((1 + gamma)^u) + brightness u

An amount of 0 is off. Interpolation, a power and an offset do not commute with |F^-1 M F .|; a factor does.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tune_ks.core.options import Member, Option
from tune_ks.data.dataset import Batch
from tune_ks.model.transforms.base import Transform
from tune_ks.training.augmentations.base import Augmentation

GRID = 4
AMOUNTS = ("mirror columns", "mirror rows", "shift x", "shift y", "angle", "zoom", "gamma", "contrast", "brightness")


@dataclass(frozen=True)
class Warp(Augmentation):
    """The amounts are named above; ``mirror`` is the probability of a mirror along each axis."""

    mirror: float = 0.5
    shift: float = 0.0625
    angle_deg: float = 15.0
    zoom: float = 0.1
    elastic: float = 0.0
    gamma: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0

    def draw(self, size: int, side: int, stream: np.random.Generator) -> Tensor:
        """(size, 9 + 2 GRID^2) float32 in [-1, 1): one u for each of AMOUNTS, then b at the points of its grid.

        Every number is drawn whichever amounts are 0, so that one amount does not change what another draws.
        """
        return torch.from_numpy(stream.uniform(-1, 1, (size, len(AMOUNTS) + 2 * GRID**2)).astype(np.float32))

    def apply(self, batch: Batch, draws: Tensor | None) -> Batch:
        if draws is None:
            return batch
        image = batch.image
        target = batch.target
        drawn = dict(zip(AMOUNTS, draws.T, strict=False))
        if self._interpolates:
            grid = self._grid(drawn, draws[:, len(AMOUNTS) :], image.shape[-1])
            image = functional.grid_sample(image, grid, "bilinear", "border", align_corners=False)
            if target.shape[1]:
                target = functional.grid_sample(target, grid, "nearest", "border", align_corners=False)
        elif self.mirror:
            image = _mirrored(image, self._is_mirrored(drawn))
            target = _mirrored(target, self._is_mirrored(drawn))
        return batch._replace(image=self._with_other_intensities(image, drawn), target=target)

    def commutes(self, transform: Transform) -> bool:
        """A factor does with every transform, mirrors along one axis only with masks of lines of the Fourier one."""
        changes_values = self._interpolates or self.gamma or self.brightness
        mirrors_commute = transform.has_conjugate_symmetry and len(transform.axes) == 1
        return not changes_values and (not self.mirror or mirrors_commute)

    @property
    def _interpolates(self) -> bool:
        return bool(self.shift or self.angle_deg or self.zoom or self.elastic)

    def _is_mirrored(self, drawn: dict[str, Tensor]) -> list[Tensor]:
        """Along the columns' index and along the rows': (B,) of bool."""
        return [(drawn[name] + 1) / 2 < self.mirror for name in ("mirror columns", "mirror rows")]

    def _grid(self, drawn: dict[str, Tensor], bend: Tensor, side: int) -> Tensor:
        """(B, S, S, 2): where each pixel is read, x and y in [-1, 1] from border to border."""
        columns, rows = (1 - 2 * mirrored.float() for mirrored in self._is_mirrored(drawn))
        angle = math.radians(self.angle_deg) * drawn["angle"]
        zoom = (1 + self.zoom) ** drawn["zoom"]
        cosine = zoom * angle.cos()
        sine = zoom * angle.sin()
        along_x = torch.stack([columns * cosine, -columns * sine, 2 * self.shift * drawn["shift x"]], dim=1)
        along_y = torch.stack([rows * sine, rows * cosine, 2 * self.shift * drawn["shift y"]], dim=1)
        matrix = torch.stack([along_x, along_y], dim=1)
        grid = functional.affine_grid(matrix, [len(matrix), 1, side, side], align_corners=False)
        if self.elastic:
            between = _bicubic(side, bend.device)
            field = between @ bend.reshape(-1, 2, GRID, GRID) @ between.T
            grid = grid + 2 * self.elastic * field.permute(0, 2, 3, 1)
        return grid

    def _with_other_intensities(self, image: Tensor, drawn: dict[str, Tensor]) -> Tensor:
        if self.gamma:
            image = image.clamp(min=0) ** _per_image((1 + self.gamma) ** drawn["gamma"])
        if self.contrast:
            image = image * _per_image((1 + self.contrast) ** drawn["contrast"])
        if self.brightness:
            image = image + _per_image(self.brightness * drawn["brightness"])
        return image


def _bicubic(side: int, device: torch.device) -> Tensor:
    """(S, GRID): GRID values to S values between them. Two products are faster than interpolating the field itself."""
    unit = torch.eye(GRID, device=device)[None, None]
    return functional.interpolate(unit, (side, GRID), mode="bicubic", align_corners=True)[0, 0]


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _mirrored(values: Tensor, is_mirrored: list[Tensor]) -> Tensor:
    """(B, C, S, S) -> the same, without interpolation; along the columns' index, then along the rows'."""
    for axis, chosen in zip((-1, -2), is_mirrored, strict=True):
        values = torch.where(_per_image(chosen), values.flip(axis), values)
    return values


OPTIONS = (
    Option("mirror", 0.5, "probability of a mirror along each axis", least=0, most=1),
    Option("shift", 0.0625, "largest shift along each axis, as a share of the side", least=0, most=1),
    Option("angle_deg", 15.0, "largest turn in degrees, to either side", least=0, most=180),
    Option("zoom", 0.1, "largest zoom, in or out: 0.1 is by 10 %", least=0),
    Option("elastic", 0.0, "largest shift of a point of a bent grid, as a share of the side", least=0, most=1),
    Option("gamma", 0.0, "intensities to a power of up to 1 + gamma, or its inverse", least=0),
    Option("contrast", 0.0, "intensities times a factor of up to 1 + contrast, or its inverse", least=0),
    Option("brightness", 0.0, "an offset of up to so much, up or down, where the brightest pixel is 1", least=0),
)
MEMBER = Member(Warp, OPTIONS)
