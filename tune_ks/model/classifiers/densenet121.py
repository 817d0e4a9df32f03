"""DenseNet-121 for one channel: MONAI's network."""

from torch import nn

from tune_ks.core.config import TrialConfig
from tune_ks.model.classifiers.base import ImageClassifier, require_size, widened

SMALLEST = 61  # pixels a side: halved five times, 2 x 2 are left, so batch norm has a deviation in a batch of 1 too


def build(config: TrialConfig) -> ImageClassifier:
    """h -> [h, f(h)] in four blocks of 6, 12, 24 and 16 layers (Huang et al., CVPR 2017), for one channel.

    6,948,609 parameters at width 1 and one logit, whatever the image size: 64 channels at first, 32 more from each
    layer, halved between blocks. ``width`` multiplies the 64 and the 32; dropout stands before the last layer, not
    after each of the others. Running means and deviations belong to the weights. ValueError below 61 pixels.
    """
    require_size(config, SMALLEST)
    from monai.networks.nets.densenet import DenseNet  # takes seconds

    first, growth = widened(config.width, 64, 32)
    features = DenseNet(2, in_channels=1, out_channels=1, init_features=first, growth_rate=growth)
    count, features.class_layers.out = features.class_layers.out.in_features, nn.Identity()
    return ImageClassifier(features, count, config.dropout)
