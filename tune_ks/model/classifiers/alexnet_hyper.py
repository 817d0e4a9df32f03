"""AlexNet whose convolutions a hypernetwork computes from the rate: one training for all rates."""

from torch import Tensor, nn

from tune_ks.model.classifiers.alexnet import SMALLEST, AlexNet
from tune_ks.model.classifiers.base import DROPOUT, WIDTH, Network, at_least
from tune_ks.model.per_image import convolve_each, emit_convolutions, split_kernels

HIDDEN = 32


class HyperAlexNet(AlexNet):
    """HyperRecon's idea (Wang et al., MELBA 2022) for a classifier: an MLP of four layers takes the condition (B, 2),
    log2 of the rate and of the temperature, and emits every kernel and bias of the five convolutions, for each image.

    Its last layer has 33 parameters for each of these (2.5 million at width 1). At first it emits AlexNet's initial
    kernels and biases.
    """

    def __init__(self, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__(width, dropout)
        convolutions = [layer for layer in self.features if isinstance(layer, nn.Conv2d)]
        self.hypernetwork = emit_convolutions(convolutions, 2, HIDDEN)
        self.shapes = [tuple(layer.weight.shape) for layer in convolutions]
        for layer in convolutions:  # the hypernetwork computes their parameters
            del layer.weight, layer.bias

    def extract(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        kernels = iter(split_kernels(self.hypernetwork(condition), self.shapes))
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                image = convolve_each(image, *next(kernels), layer.stride[0], int(layer.padding[0]))
            else:
                image = layer(image)
        return image


MEMBER = Network(HyperAlexNet, (WIDTH, DROPOUT), at_least(SMALLEST))
