"""ResNet-18 for one channel: MONAI's network, with the shape of the publication."""

from tune_ks.model.classifiers.base import DROPOUT, WIDTH, ImageClassifier, Network, at_least, widened
from tune_ks.model.classifiers.mixstyle import MIXSTYLE, mix_styles_after

SMALLEST = 33  # pixels a side: halved five times, 2 x 2 are left, so batch norm has a deviation in a batch of 1 too


def build(width: float = 1.0, dropout: float = 0.5, mixstyle: float = 0.0) -> ImageClassifier:
    """h -> relu(h + f(h)) in four stages of two blocks (He et al., CVPR 2016), for one channel and one logit.

    11,170,753 parameters at width 1, whatever the image size: 64, 128, 256 and 512 channels, a first convolution of
    7 x 7 and stride 2, then a pooling, no bias before a batch norm. ``width`` multiplies every channel count; dropout
    stands before the last layer; ``mixstyle`` acts after the first two stages. Running means and deviations are part of
    the weights.
    """
    from monai.networks.nets.resnet import ResNet  # takes seconds

    channels = widened(width, 64, 128, 256, 512)
    features = ResNet(
        "basic", [2, 2, 2, 2], channels, 2,
        n_input_channels=1, feed_forward=False, conv1_t_size=7, conv1_t_stride=2, bias_downsample=False,
    )  # fmt: skip
    mix_styles_after([features.layer1, features.layer2], mixstyle)
    return ImageClassifier(features, channels[-1], dropout)


MEMBER = Network(build, (WIDTH, DROPOUT, MIXSTYLE), at_least(SMALLEST))
