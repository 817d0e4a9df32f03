"""A strided convolution with a fast gradient with respect to its input on a CPU, which a learned mask needs."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDE = {8: torch.float64, 16: torch.complex128}  # bytes -> a type of this size, whose values are copied whole


class StridedConv2d(nn.Conv2d):
    """nn.Conv2d with one stride, padding of zeros, no dilation and no groups. The forward pass gives the same bits.

    On a CPU the library's gradient with respect to the input of an 11 x 11 convolution of stride 4 costs as much as
    half of AlexNet's training step. Written as a convolution of stride 1, it costs next to nothing.
    """

    def forward(self, image: Tensor) -> Tensor:
        if image.requires_grad and image.device.type == "cpu":
            return _Strided.apply(image, self.weight, self.bias, self.stride[0], self.padding[0])
        return super().forward(image)


class _Strided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(image, weight)
        ctx.stride = stride
        ctx.padding = padding
        return functional.conv2d(image, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight = ctx.saved_tensors
        of_weight = of_bias = None
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient(gradient, image, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        of_image = input_gradient(gradient, weight, image.shape[-2:], ctx.stride, ctx.padding)
        return of_image, of_weight, of_bias, None, None


def weight_gradient(gradient: Tensor, image: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """dL/dw (O, I, k, k). torch.nn.grad.conv2d_weight gives the same bits, but is not told how the weight is laid out.

    Without the layout the library takes a way that is nearly twice as slow.
    """
    settings = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1)  # no dilation, not transposed, one group
    return torch.ops.aten.convolution_backward(gradient, image, weight, None, *settings, [False, True, False])[1]


def input_gradient(gradient: Tensor, weight: Tensor, size: torch.Size, stride: int, padding: int) -> Tensor:
    """dL/dx (B, I, H, W) of y = conv(x) from dL/dy (B, O, h, w), ``weight`` (O, I, k, k) and ``size`` (H, W).

    With positions i = s q + r of the padded input and taps t = s d + r of the kernel (r < s, the stride),
    dL/dx[s q + r] = sum_d w[s d + r] dL/dy[q - d]: for each of the s^2 phases r a convolution of stride 1 with
    ceil(k / s)^2 taps. All phases together are one convolution, whose channels are then laid out as pixels.
    """
    outer, inner, kernel = weight.shape[:3]
    taps = -(-kernel // stride)
    grown = functional.pad(weight, [0, taps * stride - kernel] * 2)
    phases = grown.reshape(outer, inner, taps, stride, taps, stride).permute(1, 3, 5, 0, 2, 4).flip(4, 5)
    phases = phases.reshape(inner * stride**2, outer, taps, taps)
    padded = channels_to_pixels(functional.conv2d(gradient, phases, padding=taps - 1), stride)
    height, width = (side + padding - reached for side, reached in zip(size, padded.shape[-2:]))
    if height <= 0 and width <= 0:  # without a copy of what is cut
        return padded[..., padding : padding + size[0], padding : padding + size[1]]
    return functional.pad(padded, (-padding, width, -padding, height))


def channels_to_pixels(values: Tensor, stride: int) -> Tensor:
    """functional.pixel_shuffle, four times as fast where the ``stride`` neighbours of a row are 8 or 16 bytes."""
    wide = WIDE.get(stride * values.element_size())
    if wide is None:
        return functional.pixel_shuffle(values, stride)
    batch, channels, height, width = values.shape
    inner = channels // stride**2
    neighbours = values.permute(0, 2, 3, 1).contiguous().view(wide)  # (B, h, w, I s), each holds s values of a row
    rows = neighbours.reshape(batch, height, width, inner, stride).permute(0, 3, 1, 4, 2).contiguous()
    return rows.view(values.dtype).reshape(batch, inner, height * stride, width * stride)
