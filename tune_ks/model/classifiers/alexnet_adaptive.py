"""AlexNet whose first convolution follows how the image was acquired: adaptive convolution."""

import torch
from torch import Tensor, nn

from tune_ks.core.options import Option
from tune_ks.model.classifiers.alexnet import SMALLEST, AlexNet
from tune_ks.model.classifiers.base import DROPOUT, WIDTH, Network, at_least
from tune_ks.model.classifiers.per_image import convolve_each, emit_convolutions, split_kernels

HIDDEN = 32
SIDE_DROPOUT = Option(
    "side_dropout", 0.0, "the chance that an acquisition parameter is hidden in training", least=0, below=1
)
TYPICAL = {  # of a gradient echo of the breast; its logarithm enters as 0
    "field_t": 1.5,
    "tr_ms": 5.0,
    "te_ms": 2.0,
    "flip_deg": 10.0,
    "acquired_ratio": 1.0,
    "spacing_mm": 1.0,
    "thickness_mm": 2.0,
}


class AdaptiveConvolution(nn.Module):
    """h = x * k(a) + b(a), an image its own: a filter-manifold network (Kang et al., NeurIPS 2017; for the acquisition
    parameters of MRI Graf et al., ISMRM 2023), an MLP of four layers of 32, emits kernels and biases from a.

    A parameter enters as log2(value / typical); one that is not known (NaN, or not above 0) as a learned value, at
    first 0. In training each is made unknown with the probability ``side_dropout``, an image its own, so that the
    learned values are learned and no single parameter is leant on. It starts as the convolution that it is made from.
    """

    def __init__(self, convolution: nn.Conv2d, side_dropout: float) -> None:
        super().__init__()
        self.stride, self.padding = convolution.stride[0], convolution.padding[0]
        self.shape = tuple(convolution.weight.shape)
        self.side_dropout = side_dropout
        self.absent = nn.Parameter(torch.zeros(len(TYPICAL)))
        self.emitter = emit_convolutions([convolution], len(TYPICAL), HIDDEN)

    def forward(self, image: Tensor, acquisition: Tensor) -> Tensor:
        """(B, 1, H, W) images and (B, 7) parameters in the order of TYPICAL -> (B, O, H', W')."""
        ((kernel, bias),) = split_kernels(self.emitter(self.told(acquisition)), [self.shape])
        return convolve_each(image, kernel, bias, self.stride, self.padding)

    def told(self, acquisition: Tensor) -> Tensor:
        """(B, 7) parameters as they stand in the file -> (B, 7) finite numbers, what the network is told."""
        known = acquisition.isfinite() & (acquisition > 0)
        typical = acquisition.new_tensor(list(TYPICAL.values()))
        octaves = torch.where(known, acquisition / typical, 1.0).log2()
        if self.training and self.side_dropout:
            known = known & (torch.rand_like(acquisition) >= self.side_dropout)
        return torch.where(known, octaves, self.absent)


class AdaptiveAlexNet(AlexNet):
    """AlexNet with an adaptive first convolution; it starts as AlexNet, and every other layer keeps its name."""

    def __init__(self, width: float = 1.0, dropout: float = 0.5, side_dropout: float = 0.0) -> None:
        super().__init__(width, dropout)
        self.manifold = AdaptiveConvolution(self.features[0], side_dropout)
        self.features = self.features[1:]

    def extract(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        return self.features(self.manifold(image, acquisition))


MEMBER = Network(AdaptiveAlexNet, (WIDTH, DROPOUT, SIDE_DROPOUT), at_least(SMALLEST))
