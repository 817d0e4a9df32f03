"""AlexNet conditioned on the rate by FiLM: h -> (1 + gamma) h + beta after each convolution."""

from torch import Tensor, nn

from tune_ks.model.classifiers.alexnet import SMALLEST, AlexNet
from tune_ks.model.classifiers.base import DROPOUT, WIDTH, Network, at_least
from tune_ks.model.per_image import emitter

HIDDEN = 64


class FilmAlexNet(AlexNet):
    """Feature-wise linear modulation (Perez et al., AAAI 2018): gamma and beta of each channel, from an MLP of the
    condition (B, 2), log2 of the rate and of the temperature. They start at 0, so the network starts as AlexNet.
    """

    def __init__(self, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__(width, dropout)
        self.channels = [layer.out_channels for layer in self.features if isinstance(layer, nn.Conv2d)]
        self.modulation = emitter(2, HIDDEN, 2 * sum(self.channels))
        nn.init.zeros_(self.modulation[-1].get_parameter("bias"))

    def extract(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        parts = iter(self.modulation(condition).split([2 * count for count in self.channels], dim=1))
        for layer in self.features:
            image = layer(image)
            if isinstance(layer, nn.Conv2d):
                gamma, beta = next(parts)[..., None, None].chunk(2, dim=1)
                image = (1 + gamma) * image + beta
        return image


MEMBER = Network(FilmAlexNet, (WIDTH, DROPOUT), at_least(SMALLEST))
