"""Centred orthonormal Fourier transform: F x = shift(fft(unshift(x))), DC at index N // 2."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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
        symmetric mask M- is 0. Complex images of coils are transformed whole.
        """
        if image.is_complex():
            return super().magnitude(image, mask)
        return _Magnitude.apply(image, mask, self.axes, self.masks_are_symmetric)

    def dc(self, size: int) -> int:
        return size // 2


class _Magnitude(torch.autograd.Function):
    """|a + i b|, a = F^-1 M+ F x and b = F^-1 (-i M-) F x, with a gradient of fewer passes over memory than autograd's.

    With X = F x, A = F (dL/da) / N, B = F (dL/db) / N and N pixels along the axes,
    dL/dM(k) = Re(conj(X(k)) A(k)) - Im(conj(X(k)) B(k)) and dL/dM(-k) = Re(conj(X(k)) A(k)) + Im(conj(X(k)) B(k)),
    summed over the axes that share the mask. Where both k and -k lie in the half spectrum each gives one half.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, mask: Tensor, axes: tuple[int, ...], is_symmetric: bool) -> Tensor:
        sides = [image.shape[axis] for axis in axes]
        even, odd = _even_and_odd(mask, axes, is_symmetric)
        spectrum = torch.fft.rfftn(image, dim=axes)
        real = torch.fft.irfftn(even * spectrum, s=sides, dim=axes)
        imaginary = None if odd is None else torch.fft.irfftn(-1j * odd * spectrum, s=sides, dim=axes)
        magnitude = real.abs() if imaginary is None else torch.hypot(real, imaginary)
        halves = (even, odd) if ctx.needs_input_grad[0] else (None, None)  # only the gradient of the image needs them
        ctx.save_for_backward(spectrum.conj_physical_(), *halves, real, imaginary, magnitude)
        ctx.axes = axes
        ctx.mask_shape = mask.shape
        return magnitude

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        conjugate, even, odd, real, imaginary, magnitude = ctx.saved_tensors
        share = magnitude.clamp(min=SMALLEST)
        torch.div(gradient, share, out=share)
        of_real = torch.fft.rfftn(share * real, dim=ctx.axes, norm="forward")
        of_imaginary = None
        if imaginary is not None:
            of_imaginary = torch.fft.rfftn(share.mul_(imaginary), dim=ctx.axes, norm="forward")
        of_image = of_mask = None
        if ctx.needs_input_grad[0]:
            through = even * of_real if odd is None else even * of_real + 1j * odd * of_imaginary
            sides = [real.shape[axis] for axis in ctx.axes]
            of_image = torch.fft.irfftn(through, s=sides, dim=ctx.axes, norm="forward")
        if ctx.needs_input_grad[1]:
            shape = (*ctx.mask_shape[:-1], conjugate.shape[-1])
            in_phase = _shared(of_real.mul_(conjugate), shape).real
            if of_imaginary is None:
                of_mask = _joined(in_phase, in_phase, ctx.mask_shape, ctx.axes)
            else:
                across = _shared(of_imaginary.mul_(conjugate), shape).imag
                of_mask = _joined(in_phase - across, in_phase + across, ctx.mask_shape, ctx.axes)
        return of_image, of_mask, None, None


def _even_and_odd(mask: Tensor, axes: tuple[int, ...], is_symmetric: bool) -> tuple[Tensor, Tensor | None]:
    """M+ and M- of a centred mask on the half spectrum, whose index 0 is DC; None for M- of a symmetric mask.

    On an even side the first index of a centred axis is its own mirror.
    """
    side = mask.shape[-1]
    centre = side // 2
    behind = mask[..., : centre + 1]  # M(-k), k = 0, 1, ... along the last axis, after the flip
    ahead = torch.cat([mask[..., centre:], mask[..., :1]], dim=-1)[..., : centre + 1]
    if len(axes) == 2:
        ahead = torch.fft.ifftshift(ahead, dim=-2)
        behind = behind.flip(-2, -1).roll(mask.shape[-2] // 2 + 1, -2)
    else:
        behind = behind.flip(-1)
    even = (ahead + behind).div_(2)
    return even, None if is_symmetric else ahead.sub_(behind).div_(2)


def _joined(ahead: Tensor, behind: Tensor, shape: torch.Size, axes: tuple[int, ...]) -> Tensor:
    """Gradients of M(k) and of M(-k) on the half spectrum -> the gradient of the centred mask of ``shape``.

    Overwrites both.
    """
    side = shape[-1]
    centre = side // 2
    for values in (ahead,) if behind is ahead else (ahead, behind):
        values[..., :1].div_(2)
        if side % 2 == 0:
            values[..., -1:].div_(2)
    if len(axes) == 2:
        ahead = torch.fft.fftshift(ahead, dim=-2)
        behind = behind.roll(-(shape[-2] // 2 + 1), -2).flip(-2, -1)
    else:
        behind = behind.flip(-1)
    whole = torch.cat([behind, ahead[..., 1 : side - centre]], dim=-1)
    whole[..., centre].add_(ahead[..., 0])
    if side % 2 == 0:
        whole[..., 0].add_(ahead[..., centre])
    return whole


def _shared(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B, 1, H, K) complex values summed over the axes that a mask of ``shape`` does not have."""
    return torch.view_as_complex(torch.view_as_real(values).sum_to_size(*shape, 2))
