"""Discrete cosine transform: orthonormal DCT-II, its inverse DCT-III, DC at index 0."""

import math

import torch
from torch import Tensor

from tune_ks.model.transforms.base import Transform


class Cosine(Transform):
    """F[k] = s(k) sum_n x[n] cos(pi (2 n + 1) k / 2 N), s(0) = sqrt(1 / N), else sqrt(2 / N), along each axis.

    It is computed by one FFT of N values (Makhoul, IEEE Trans. Acoust. 28, 1980): with v the even samples in rising and
    then the odd samples in falling order, F[k] = s(k) Re(exp(-i pi k / 2 N) FFT(v)[k]).
    """

    is_complex = False

    def forward(self, image: Tensor) -> Tensor:
        for axis in self.axes:
            image = cosine(image.movedim(axis, -1)).movedim(-1, axis)
        return image

    def inverse(self, kspace: Tensor) -> Tensor:
        for axis in self.axes:
            kspace = inverse_cosine(kspace.movedim(axis, -1)).movedim(-1, axis)
        return kspace

    def dc(self, size: int) -> int:
        return 0


def cosine(signal: Tensor) -> Tensor:
    """(..., N) real -> (..., N), the DCT-II along the last axis."""
    folded = torch.cat([signal[..., ::2], signal[..., 1::2].flip(-1)], dim=-1)
    turned = torch.fft.fft(folded) * _turn(signal)
    return turned.real * _scale(signal)


def inverse_cosine(spectrum: Tensor) -> Tensor:
    """(..., N) real -> (..., N), the DCT-III along the last axis, the inverse of ``cosine``."""
    size = spectrum.shape[-1]
    half = spectrum / _scale(spectrum)
    # FFT(v)[k] = exp(i pi k / 2 N) (c[k] - i c[N - k]), c[N] = 0: the symmetry of a real v
    mirrored = torch.cat([torch.zeros_like(half[..., :1]), half[..., 1:].flip(-1)], dim=-1)
    folded = torch.fft.ifft(torch.complex(half, -mirrored) * _turn(spectrum).conj()).real
    signal = torch.empty_like(folded)
    signal[..., ::2] = folded[..., : (size + 1) // 2]
    signal[..., 1::2] = folded[..., (size + 1) // 2 :].flip(-1)
    return signal


def _turn(like: Tensor) -> Tensor:
    angle = torch.arange(like.shape[-1], device=like.device, dtype=like.dtype) * (-math.pi / (2 * like.shape[-1]))
    return torch.polar(torch.ones_like(angle), angle)


def _scale(like: Tensor) -> Tensor:
    size = like.shape[-1]
    scale = torch.full((size,), math.sqrt(2 / size), device=like.device, dtype=like.dtype)
    scale[:1] = math.sqrt(1 / size)  # a slice: a single value would be copied to a GPU, and the host would wait
    return scale
