"""Avoid a fault of oneDNN that corrupts memory in small strided 1 x 1 convolutions."""

from torch import Tensor, nn
from torch.nn import functional

BLOCK = 8  # input channels that oneDNN's AVX2 code handles at once


class SkippingConv2d(nn.Conv2d):
    """A 1 x 1 convolution of stride s without padding, computed as one of stride 1 on every s-th pixel."""

    def forward(self, image: Tensor) -> Tensor:
        rows, columns = self.stride
        return functional.conv2d(image[..., ::rows, ::columns], self.weight, self.bias, groups=self.groups)


def avoid_strided_pointwise(network: nn.Module) -> None:
    """Turn every strided 1 x 1 convolution of fewer than BLOCK input channels in ``network`` into a SkippingConv2d.

    In torch 2.13.0, oneDNN 3.12 writes past the end of a buffer in the backward pass of such a convolution where image
    or weights are laid out channels-last and the processor has AVX2 without AVX-512: crashes, hangs and wrong gradients
    (oneDNN's issue 6035). The outputs are the same; with more channels the numbers would differ in their last bits, so
    those stay as they are.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and is_at_risk(module):
            module.__class__ = SkippingConv2d  # keeps the parameters, their names and the random numbers drawn for them


def is_at_risk(convolution: nn.Conv2d) -> bool:
    """Whether oneDNN's fault can affect this convolution."""
    is_pointwise = convolution.kernel_size == (1, 1) and convolution.padding in ((0, 0), "valid")
    return is_pointwise and convolution.stride != (1, 1) and convolution.in_channels // convolution.groups < BLOCK
