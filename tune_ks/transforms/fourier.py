"""Centred orthonormal Fourier transform: F x = shift(fft(unshift(x))), DC at index N // 2."""

import torch
from torch import Tensor

from tune_ks.record import TrialConfig
from tune_ks.transforms.base import Transform


class FourierTransform(Transform):
    """Centred orthonormal DFT over ``axes`` (negative; the last one alone for lines, the last two for points).

    A mask of lines M(kx) commutes with the transform along y, so |F^-1 M F x| needs the transform along x only:
    F_y^-1 F_x^-1 M F_x F_y = F_x^-1 M F_x. The tests hold it to the two-dimensional definition.
    """

    def __init__(self, axes: tuple[int, ...]) -> None:
        self.axes = axes

    def forward(self, image: Tensor) -> Tensor:
        # fftshift without dim would also roll the batch axis, and so mislabel the data
        kspace = torch.fft.fftn(torch.fft.ifftshift(image, dim=self.axes), dim=self.axes, norm="ortho")
        return torch.fft.fftshift(kspace, dim=self.axes)

    def inverse(self, kspace: Tensor) -> Tensor:
        image = torch.fft.ifftn(torch.fft.ifftshift(kspace, dim=self.axes), dim=self.axes, norm="ortho")
        return torch.fft.fftshift(image, dim=self.axes)

    def radius(self, height: int, width: int) -> Tensor:
        rows = torch.arange(height) - height // 2
        columns = torch.arange(width) - width // 2
        return torch.hypot(rows[:, None].float(), columns[None, :].float())


def build(config: TrialConfig) -> FourierTransform:
    """The transform that the config's pattern needs."""
    return FourierTransform(axes=(-1,) if config.pattern == "lines" else (-2, -1))
