"""AlexNet whose first convolution depends on the acquisition parameters: adaptive convolution."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tune_ks.core.options import Option
from tune_ks.model.classifiers.alexnet import SMALLEST, AlexNet
from tune_ks.model.classifiers.base import DROPOUT, WIDTH, Network, at_least
from tune_ks.model.per_image import convolve_each, emit_convolutions, split_kernels

HIDDEN = 32
SIDE_DROPOUT = Option(
    "side_dropout", 0.0, "the chance that an acquisition parameter is hidden in training", least=0, below=1
)
TYPICAL = {  # values of a gradient echo of the breast; the network's input is log2(value / typical)
    "field_t": 1.5,
    "tr_ms": 5.0,
    "te_ms": 2.0,
    "flip_deg": 10.0,
    "acquired_ratio": 1.0,
    "spacing_mm": 1.0,
    "thickness_mm": 2.0,
}


class AdaptiveConvolution(nn.Module):
    """h = x * k(a) + b(a): kernels k and biases b are computed for each image from its acquisition parameters a.

    A filter-manifold network (Kang et al., NeurIPS 2017; for the acquisition parameters of MRI Graf et al., ISMRM 2023)
    computes them: an MLP of four layers of 32. Its input is log2(value / typical) of each parameter. An unknown
    parameter (NaN, or not above 0) is replaced by a learned value, at first 0. In training each parameter of each image
    is hidden with the probability ``side_dropout``, which trains the learned values and avoids relying on a single
    parameter. At the start it computes the same as ``convolution``.
    """

    typical: Tensor  # (7,) the values of TYPICAL

    def __init__(self, convolution: nn.Conv2d, side_dropout: float) -> None:
        super().__init__()
        self.stride = convolution.stride[0]
        self.padding = int(convolution.padding[0])
        self.shape = tuple(convolution.weight.shape)
        self.side_dropout = side_dropout
        self.absent = nn.Parameter(torch.zeros(len(TYPICAL)))
        self.register_buffer("typical", torch.tensor(list(TYPICAL.values())), persistent=False)
        self.emitter = emit_convolutions([convolution], len(TYPICAL), HIDDEN)

    def forward(self, image: Tensor, acquisition: Tensor) -> Tensor:
        """(B, 1, H, W) images and (B, 7) parameters in the order of TYPICAL -> (B, O, H', W')."""
        ((kernel, bias),) = split_kernels(self.emitter(self.encode(acquisition)), [self.shape])
        return convolve_each(image, kernel, bias, self.stride, self.padding)

    def encode(self, acquisition: Tensor) -> Tensor:
        """(B, 7) parameters as in the DICOM file -> (B, 7) finite numbers, the input of the filter-manifold network."""
        known = acquisition.isfinite() & (acquisition > 0)
        octaves = torch.where(known, acquisition / self.typical, 1.0).log2()
        if self.training and self.side_dropout:
            known = known & (torch.rand_like(acquisition) >= self.side_dropout)
        return torch.where(known, octaves, self.absent)


class AdaptiveAlexNet(AlexNet):
    """AlexNet with an adaptive first convolution; it starts as AlexNet, and the other layers keep their names."""

    def __init__(self, width: float = 1.0, dropout: float = 0.5, side_dropout: float = 0.0) -> None:
        super().__init__(width, dropout)
        first = next(layer for layer in self.features if isinstance(layer, nn.Conv2d))
        self.manifold = AdaptiveConvolution(first, side_dropout)
        self.features = nn.Sequential(OrderedDict(list(self.features.named_children())[1:]))

    def extract(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        return self.features(self.manifold(image, acquisition))


MEMBER = Network(AdaptiveAlexNet, (WIDTH, DROPOUT, SIDE_DROPOUT), at_least(SMALLEST))
