"""Centred orthonormal Fourier transform: F x = shift(fft(unshift(x))), DC at index N // 2."""

import torch
from torch import Tensor

from tune_ks.transforms.base import Transform


class FourierTransform(Transform):
    """F[k] = sum_n x[n] exp(-2 pi i (k - c)(n - c) / N) / sqrt(N), c = N // 2, along each axis."""

    is_complex = True

    def forward(self, image: Tensor) -> Tensor:
        # fftshift without dim would also roll the batch axis, and so mislabel the data
        kspace = torch.fft.fftn(torch.fft.ifftshift(image, dim=self.axes), dim=self.axes, norm="ortho")
        return torch.fft.fftshift(kspace, dim=self.axes)

    def inverse(self, kspace: Tensor) -> Tensor:
        image = torch.fft.ifftn(torch.fft.ifftshift(kspace, dim=self.axes), dim=self.axes, norm="ortho")
        return torch.fft.fftshift(image, dim=self.axes)

    def dc(self, size: int) -> int:
        return size // 2
