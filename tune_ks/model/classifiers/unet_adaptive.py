"""Adaptive U-Net: a field map -> the susceptibility, with kernels that follow voxel size and direction of B0."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tune_ks.core.config import TrialConfig
from tune_ks.model.classifiers.base import WIDTH, Network, widened
from tune_ks.model.per_image import convolve_each, split_kernels

CHANNELS = (16, 32, 64, 128, 256)  # of the levels, at width 1
STEP = 2 ** (len(CHANNELS) - 1)  # a side is halved four times
HIDDEN = (12, 48, 192)  # of the filter-manifold network
GEOMETRY = 6  # voxel size x, y, z in mm, direction of B0 x, y, z: the last columns of the acquisition
ZERO = 0.5  # the pixel of a map whose value is 0 (tune_ks.data.cohort.map_scan)
GAIN = 10.0  # fields and susceptibilities are about a tenth of the window: the network's numbers are about 1
CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}  # number of spatial dimensions -> layer
TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


class AdaptiveUNet(nn.Module):
    """chi = x + U(x; s), x the field: five levels of two convolutions and ELU, transposed ones on the way up.

    The first convolution of the second level has kernels that a filter-manifold network computes from the side
    information s, voxel size and direction of B0 (Kang et al., NeurIPS 2017). Where ``adaptive`` is False it is a
    convolution like the others, and s is not used. ``dimensions`` is 2 or 3: maps (B, 1, ...) of so many sides, each a
    multiple of STEP. Graf et al., ISMRM 2023 and 2024.
    """

    def __init__(self, channels: list[int], adaptive: bool, dimensions: int = 2) -> None:
        super().__init__()
        convolution = partial(_convolution, dimensions)
        first, second = channels[:2]
        self.pool = partial(POOL[dimensions], kernel_size=2)
        self.manifold = FilterManifold(convolution(first, second)) if adaptive else None
        self.encoder = nn.ModuleList()
        for level, (before, after) in enumerate(zip([1, *channels], channels)):
            layers = [convolution(before, after), nn.ELU(), convolution(after, after), nn.ELU()]
            self.encoder.append(nn.Sequential(*layers[1:]) if adaptive and level == 1 else nn.Sequential(*layers))
        self.up = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for deep, shallow in zip(channels[:0:-1], channels[-2::-1]):
            self.up.append(TRANSPOSED[dimensions](deep, shallow, kernel_size=2, stride=2))
            layers = [convolution(2 * shallow, shallow), nn.ELU(), convolution(shallow, shallow), nn.ELU()]
            self.decoder.append(nn.Sequential(*layers))
        self.last = CONVOLUTION[dimensions](first, 1, kernel_size=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.get_parameter("bias"))

    def forward(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        """(B, 1, S, S) field maps and their acquisition (B, A) -> (B, 1, S, S) susceptibility, both over the window.

        Condition (B, 2) is not used. ValueError where the acquisition lacks the geometry.
        """
        field = (image - ZERO) * GAIN
        values = field
        skipped = []
        for level, block in enumerate(self.encoder):
            if level:
                skipped.append(values)
                values = self.pool(values)
            if level == 1 and self.manifold is not None:
                values = self.manifold(values, geometry_of(acquisition))
            values = block(values)
        for up, block in zip(self.up, self.decoder):
            values = block(torch.cat([skipped.pop(), up(values)], dim=1))
        return (field + self.last(values)) / GAIN


class FilterManifold(nn.Module):
    """h = x * k(s) + b(s): four linear layers with ELU compute kernels k and biases b from s; at first those given."""

    def __init__(self, initial: nn.Module) -> None:
        super().__init__()
        weight = initial.get_parameter("weight").detach()
        self.shape = tuple(weight.shape)
        parameters = torch.cat([weight.flatten(), initial.get_parameter("bias").detach()])
        layers: list[nn.Module] = []
        for before, after in zip((GEOMETRY, *HIDDEN), HIDDEN):
            layers += [nn.Linear(before, after), nn.ELU()]
        last = nn.Linear(HIDDEN[-1], len(parameters))
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(parameters)
        self.network = nn.Sequential(*layers, last)

    def forward(self, values: Tensor, geometry: Tensor) -> Tensor:
        """(B, C, ...) features and (B, 6) geometry -> (B, O, ...)."""
        ((kernel, bias),) = split_kernels(self.network(geometry), [self.shape])
        return convolve_each(values, kernel, bias, stride=1, padding=1)


def _convolution(dimensions: int, before: int, after: int) -> nn.Module:
    """3 x 3 (x 3), with weights that keep the variance (He et al., ICCV 2015): there are no norms that would."""
    layer = CONVOLUTION[dimensions](before, after, kernel_size=3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def geometry_of(acquisition: Tensor) -> Tensor:
    """(B, A) acquisition of a cohort of maps -> its last six columns. ValueError where it has no such columns."""
    if acquisition.shape[1] <= GEOMETRY + 1:
        raise ValueError(
            "the classifier 'unet_adaptive' reads voxel size and direction of B0, and this cohort gives neither: it "
            "needs a folder with maps.csv"
        )
    return acquisition[:, -GEOMETRY:]


def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError where a map of the config's ``image_size`` cannot be halved four times."""
    if config.image_size % STEP:
        raise ValueError(
            f"the classifier {config.classifier!r} needs an image_size that is a multiple of {STEP}, "
            f"got {config.image_size}"
        )


def build(width: float = 1.0, adaptive: bool = True) -> AdaptiveUNet:
    """``width`` multiplies every channel count, but not the sizes of the filter-manifold network."""
    return AdaptiveUNet(widened(width, *CHANNELS), adaptive)


MEMBER = Network(build, (WIDTH,), check)
PLAIN = Network(partial(build, adaptive=False), (WIDTH,), check)
