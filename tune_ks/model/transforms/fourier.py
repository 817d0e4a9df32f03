"""Centred orthonormal Fourier transform: F x = shift(fft(unshift(x))), DC at index N // 2."""

from typing import Any

import torch
from torch import Tensor

from tune_ks.model.transforms.base import Transform

SMALLEST = 1e-20  # lower limit of a magnitude in a denominator: the square of a smaller one is 0 in float32


class Fourier(Transform):
    """F[k] = sum_n x[n] exp(-2 pi i (k - c)(n - c) / N) / sqrt(N), c = N // 2, along each axis."""

    is_complex = True
    has_conjugate_symmetry = True

    def forward(self, image: Tensor) -> Tensor:
        # fftshift without dim would also roll the batch axis, and so mislabel the data
        kspace = torch.fft.fftn(torch.fft.ifftshift(image, dim=self.axes), dim=self.axes, norm="ortho")
        return torch.fft.fftshift(kspace, dim=self.axes)

    def inverse(self, kspace: Tensor) -> Tensor:
        image = torch.fft.ifftn(torch.fft.ifftshift(kspace, dim=self.axes), dim=self.axes, norm="ortho")
        return torch.fft.fftshift(image, dim=self.axes)

    def magnitude(self, image: Tensor, mask: Tensor) -> Tensor:
        """As in the base class, by real transforms on half of the spectrum and without a shift of the images.

        F^-1 M F is a circular convolution, which commutes with shifts, so only the mask is shifted. M is split into
        M+ (k) = (M(k) + M(-k)) / 2 and M- (k) = (M(k) - M(-k)) / 2. The spectrum of a real x is Hermitian, so M+ gives
        the real part of the image and M- the imaginary part, each by a real transform of half the work. For a
        symmetric mask M- is 0.
        """
        centre = mask.shape[-1] // 2
        behind = mask[..., : centre + 1].flip(
            -1
        )  # M(-k), k = 0, 1 ...; on an even side the last index is its own mirror
        ahead = torch.cat([mask[..., centre:], mask[..., :1]], dim=-1)[..., : behind.shape[-1]]
        if len(self.axes) == 2:
            ahead = torch.fft.ifftshift(ahead, dim=-2)
            behind = torch.fft.ifftshift(behind.flip(-2), dim=-2)
            if mask.shape[-2] % 2 == 0:
                behind = behind.roll(1, -2)
        even = (ahead + behind) / 2
        odd = None if self.masks_are_symmetric else (ahead - behind) / 2
        return _Magnitude.apply(image, even, odd, self.axes)

    def dc(self, size: int) -> int:
        return size // 2


class _Magnitude(torch.autograd.Function):
    """|a + i b|, a = F^-1 M+ F x and b = F^-1 (-i M-) F x, with a gradient that keeps less memory than autograd's.

    dL/dM+(k) = w(k) / N Re(X(k) conj(A(k))), summed over the axes that share the mask, with X = F x, A = F (dL/da), and
    w = 2 for a coefficient whose conjugate is not in the half spectrum, else 1. For dL/dM- the same holds with -i X and
    A = F (dL/db).
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, even: Tensor, odd: Tensor | None, axes: tuple[int, ...]) -> Tensor:
        sides = [image.shape[axis] for axis in axes]
        spectrum = torch.fft.rfftn(image, dim=axes)
        real = torch.fft.irfftn(even * spectrum, s=sides, dim=axes)
        imaginary = None if odd is None else torch.fft.irfftn(-1j * odd * spectrum, s=sides, dim=axes)
        magnitude = real.abs() if imaginary is None else torch.hypot(real, imaginary)
        ctx.save_for_backward(spectrum, even, odd, real, imaginary, magnitude)
        ctx.axes, ctx.sides = axes, sides
        return magnitude

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        spectrum, even, odd, real, imaginary, magnitude = ctx.saved_tensors
        share = gradient / magnitude.clamp(min=SMALLEST)
        of_real = torch.fft.rfftn(share * real, dim=ctx.axes)
        of_imaginary = None if odd is None else torch.fft.rfftn(share * imaginary, dim=ctx.axes)
        of_image = of_even = of_odd = None
        if ctx.needs_input_grad[0]:
            through = even * of_real if odd is None else even * of_real + 1j * odd * of_imaginary
            of_image = torch.fft.irfftn(through, s=ctx.sides, dim=ctx.axes)
        if ctx.needs_input_grad[1]:
            weight = _weight(ctx.sides, spectrum)
            of_even = weight * _shared((spectrum * of_real.conj_physical()), even).real
            if odd is not None:
                of_odd = weight * _shared((spectrum * of_imaginary.conj_physical()), even).imag
        return of_image, of_even, of_odd, None


def _weight(sides: list[int], spectrum: Tensor) -> Tensor:
    """(W // 2 + 1,) weights w(k) / N."""
    weight = torch.full((spectrum.shape[-1],), 2.0, dtype=spectrum.real.dtype, device=spectrum.device)
    weight[:1] = 1  # slices: a single value would be copied to a GPU, and the host would wait
    if sides[-1] % 2 == 0:
        weight[-1:] = 1
    return weight / torch.Size(sides).numel()


def _shared(values: Tensor, like: Tensor) -> Tensor:
    """(B, 1, H, K) complex values summed over the axes that the mask ``like`` does not have."""
    return torch.view_as_complex(torch.view_as_real(values).sum_to_size(*like.shape, 2))
