"""U-Net for one channel: MONAI's network, as a segmenter."""

from torch import Tensor, nn

from tune_ks.model.classifiers.base import DROPOUT, WIDTH, Network, at_least, widened

SMALLEST = 32  # pixels a side: halved four times, 2 x 2 are left, so instance norm has a deviation


class UNet(nn.Module):
    """Ronneberger et al., MICCAI 2015, in Falk et al.'s form (Nat. Methods 2019): two 3 x 3 convolutions with instance
    norm at each of five levels, the features of the way down beside those of the way up.

    ``channels`` are those of the five levels and of the last one up; dropout stands before the last convolution, 1 x 1.
    """

    def __init__(self, channels: list[int], dropout: float, maps: int = 1) -> None:
        super().__init__()
        from monai.networks.nets.basic_unet import BasicUNet  # takes seconds

        self.network = BasicUNet(spatial_dims=2, in_channels=1, out_channels=maps, features=channels)
        self.network.final_conv = nn.Sequential(nn.Dropout(dropout), self.network.final_conv)

    def forward(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        """(B, 1, S, S) images -> (B, maps, S, S) logits. Acquisition (B, A) and condition (B, 2) are not used."""
        return self.network(image)


def build(width: float = 1.0, dropout: float = 0.5) -> UNet:
    """1,978,433 parameters at width 1; ``width`` multiplies every channel count."""
    return UNet(widened(width, 32, 32, 64, 128, 256, 32), dropout)


MEMBER = Network(build, (WIDTH, DROPOUT), at_least(SMALLEST))
