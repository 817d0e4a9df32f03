"""DenseNet-121 for one channel: MONAI's network."""

from torch import nn

from tune_ks.model.classifiers.base import DROPOUT, WIDTH, ImageClassifier, Network, at_least, widened

SMALLEST = 61  # pixels a side: halved five times, 2 x 2 are left, so batch norm has a deviation in a batch of 1 too


def build(width: float = 1.0, dropout: float = 0.5) -> ImageClassifier:
    """h -> [h, f(h)] in four blocks of 6, 12, 24 and 16 layers (Huang et al., CVPR 2017), for one channel.

    6,948,609 parameters at width 1 and one logit, whatever the image size: 64 channels at first, 32 more from each
    layer, halved between blocks. ``width`` multiplies the 64 and the 32; dropout is applied before the last layer,
    not in the blocks. Running means and deviations are part of the weights.
    """
    from monai.networks.nets.densenet import DenseNet  # takes seconds

    first, growth = widened(width, 64, 32)
    features = DenseNet(2, in_channels=1, out_channels=1, init_features=first, growth_rate=growth)
    count = features.get_parameter("class_layers.out.weight").shape[1]
    features.class_layers.out = nn.Identity()
    return ImageClassifier(features, count, dropout)


MEMBER = Network(build, (WIDTH, DROPOUT), at_least(SMALLEST))
