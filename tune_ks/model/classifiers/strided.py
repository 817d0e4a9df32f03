"""A strided convolution with a fast gradient with respect to its input on a CPU, which a learned mask needs."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


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
            of_weight = torch.nn.grad.conv2d_weight(image, weight.shape, gradient, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        of_image = input_gradient(gradient, weight, image.shape[-2:], ctx.stride, ctx.padding)
        return of_image, of_weight, of_bias, None, None


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
    padded = functional.pixel_shuffle(functional.conv2d(gradient, phases, padding=taps - 1), stride)
    height, width = (side + padding - reached for side, reached in zip(size, padded.shape[-2:]))
    return functional.pad(padded, (-padding, width, -padding, height))
