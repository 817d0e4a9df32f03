"""AlexNet for one channel: five convolutions, three dense layers, dropout."""

from torch import Tensor, nn

from tune_ks.model.classifiers.base import DROPOUT, WIDTH, Network, at_least, widened
from tune_ks.model.classifiers.strided import StridedConv2d

SMALLEST = 63  # pixels a side: the three poolings of a smaller image leave nothing


class AlexNet(nn.Module):
    """Krizhevsky's single-tower AlexNet (arXiv:1404.5997, 2014), with one input channel and one logit.

    56,992,449 parameters at width 1, whatever the image size, because the features are pooled to 6 x 6 first. ``width``
    multiplies every channel count; dropout stands before the first two dense layers.
    """

    def __init__(self, width: float = 1.0, dropout: float = 0.5) -> None:
        super().__init__()
        channels = widened(width, 64, 192, 384, 256, 256)
        (dense,) = widened(width, 4096)
        self.features = nn.Sequential(
            StridedConv2d(1, channels[0], kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(channels[0], channels[1], kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(channels[1], channels[2], kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels[2], channels[3], kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels[3], channels[4], kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.pool = nn.AdaptiveAvgPool2d((6, 6))
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(channels[4] * 6 * 6, dense),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(dense, dense),
            nn.ReLU(inplace=True),
            nn.Linear(dense, 1),
        )

    def forward(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        """(B, 1, S, S) images, S >= 63, acquisition parameters (B, A) and condition (B, 2) -> (B,) logits."""
        return self.head(self.pool(self.extract(image, acquisition, condition)).flatten(1)).squeeze(1)

    def extract(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        """The convolutions. Acquisition and condition, log2 of rate and temperature, are not used here."""
        return self.features(image)


def layers(network: AlexNet) -> list[nn.Module]:
    """The layers of ``forward`` in order, for a pack of networks."""
    return [*network.features, network.pool, nn.Flatten(), *network.head]


MEMBER = Network(AlexNet, (WIDTH, DROPOUT), at_least(SMALLEST), layers=layers)
