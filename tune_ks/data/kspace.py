"""The centred 2-D Fourier transform of NumPy arrays: F x = shift(fft(unshift(x))), DC at index N // 2 of both axes.

``tune_ks/model/transforms/fourier.py`` is the same transform of torch tensors, which the trained masks act on.
"""

from types import ModuleType

import numpy as np


def to_kspace(image: np.ndarray, norm: str = "ortho", fft: ModuleType = np.fft) -> np.ndarray:
    """(H, W) image -> its (H, W) k-space. ``norm`` is NumPy's: ortho keeps the energy, forward divides by H W.

    ``fft`` is numpy.fft or scipy.fft. They differ in the last bits, so a caller keeps to one of them.
    """
    return fft.fftshift(fft.fft2(fft.ifftshift(image), norm=norm))


def to_image(kspace: np.ndarray, norm: str = "ortho", fft: ModuleType = np.fft) -> np.ndarray:
    """(H, W) k-space -> the complex (H, W) image: the inverse of ``to_kspace`` with the same ``norm``."""
    return fft.fftshift(fft.ifft2(fft.ifftshift(kspace), norm=norm))


def centre(kspace: np.ndarray, size: int) -> np.ndarray:
    """(n, n) k-space with DC at n // 2 -> its central (size, size), filled with zeros where ``size`` is larger."""
    n = kspace.shape[0]
    if size <= n:
        start = n // 2 - size // 2
        return kspace[start : start + size, start : start + size]
    filled = np.zeros((size, size), kspace.dtype)
    start = size // 2 - n // 2
    filled[start : start + n, start : start + n] = kspace
    return filled
