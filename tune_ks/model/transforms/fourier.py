"""Centred orthonormal Fourier transform: F x = shift(fft(unshift(x))), DC at index N // 2."""

from typing import Any

import torch
from torch import Tensor

from tune_ks.model.transforms.base import Transform

SMALLEST = 1e-20  # what a magnitude is at least where it is divided by: the square of less is 0 in float32


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
        """As in the base class, in real arithmetic on half of the spectrum, without a shift of images.

        F^-1 M F is a circular convolution, which commutes with shifts: the mask alone is rolled. With M split in
        M+ (k) = (M(k) + M(-k)) / 2 and M- (k) = (M(k) - M(-k)) / 2, the spectrum of a real x being Hermitian, M+ makes
        the real part of the image and M- the imaginary one: each a real transform of half the work.
        A symmetric mask has no M-.
        """
        centre = mask.shape[-1] // 2
        behind = mask[..., : centre + 1].flip(-1)  # M(-k), k = 0, 1 ...; of an even side the last is its own opposite
        ahead = torch.cat([mask[..., centre:], mask[..., :1]], dim=-1)[..., : behind.shape[-1]]
        if len(self.axes) == 2:
            ahead, behind = torch.fft.ifftshift(ahead, dim=-2), torch.fft.ifftshift(behind.flip(-2), dim=-2)
            if mask.shape[-2] % 2 == 0:
                behind = behind.roll(1, -2)
        even = (ahead + behind) / 2
        odd = None if self.masks_are_symmetric else (ahead - behind) / 2
        return _Magnitude.apply(image, even, odd, self.axes)

    def dc(self, size: int) -> int:
        return size // 2


class _Magnitude(torch.autograd.Function):
    """|a + i b|, a = F^-1 M+ F x and b = F^-1 (-i M-) F x: what autograd would keep and pass over again is left out.

    The one line of constants: dL/dM+(k) = w(k) / N Re(X(k) conj(A(k))) summed over what shares the mask, X = F x and
    A = F (dL/da); w = 2 for a coefficient whose conjugate the half spectrum leaves out, else 1. So with M- and -i X.
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
    """(W // 2 + 1,) w(k) / N."""
    weight = torch.full((spectrum.shape[-1],), 2.0, dtype=spectrum.real.dtype, device=spectrum.device)
    weight[0] = 1
    if sides[-1] % 2 == 0:
        weight[-1] = 1
    return weight / torch.Size(sides).numel()


def _shared(values: Tensor, like: Tensor) -> Tensor:
    """The sum of (B, 1, H, K) complex values over the axes along which a mask of the shape of ``like`` is shared."""
    return torch.view_as_complex(torch.view_as_real(values).sum_to_size(*like.shape, 2))
