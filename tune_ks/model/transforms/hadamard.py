"""Walsh-Hadamard transform in sequency order, DC at index 0 (Hadamard sensing: Wang et al., MICCAI 2021)."""

from functools import lru_cache

import torch
from torch import Tensor

from tune_ks.model.transforms.base import Transform

CPU = torch.device("cpu")


class Hadamard(Transform):
    """F = W / sqrt(N), where row k of W holds +1 and -1 with k changes of sign. N log2 N additions.

    W is symmetric, so the transform is its own inverse. N must be a power of two.
    """

    is_complex = False

    def forward(self, image: Tensor) -> Tensor:
        for axis in self.axes:
            image = walsh(image.movedim(axis, -1)).movedim(-1, axis)
        return image

    def inverse(self, kspace: Tensor) -> Tensor:
        return self.forward(kspace)

    def dc(self, size: int) -> int:
        if size & (size - 1):
            raise ValueError(f"the transform 'hadamard' needs images whose side is a power of two, got {size} px")
        return 0


def walsh(signal: Tensor) -> Tensor:
    """(..., N) -> (..., N) sequency-ordered orthonormal Walsh-Hadamard transform along the last axis."""
    shape = signal.shape
    size = shape[-1]
    span = 1
    while span < size:  # butterflies: sums and differences of halves, in the natural (Hadamard) order
        pairs = signal.reshape(*shape[:-1], size // (2 * span), 2, span)
        upper = pairs[..., 0, :]
        lower = pairs[..., 1, :]
        signal = torch.stack([upper + lower, upper - lower], dim=-2).reshape(shape)
        span *= 2
    return signal[..., sequency_order(size, signal.device)] / size**0.5


@lru_cache(maxsize=16)
def sequency_order(size: int, device: torch.device = CPU) -> Tensor:
    """(N,) the natural index of each sequency: the bits of its Gray code reversed."""
    sequency = torch.arange(size, device=device)
    gray = sequency ^ (sequency >> 1)
    natural = torch.zeros_like(gray)
    for _ in range(size.bit_length() - 1):
        natural = (natural << 1) | (gray & 1)
        gray = gray >> 1
    return natural
