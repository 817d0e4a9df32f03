"""CenterNet's head on a U-Net, as a detector: where the centre of a tumour may lie, and how large it would be there."""

import math

import torch

from tune_ks.model.classifiers.base import DROPOUT, WIDTH, Network, at_least, widened
from tune_ks.model.classifiers.unet import SMALLEST, UNet

MAPS = 3  # logit of a centre, height, width
RARE = 0.1  # probability of a centre at every pixel before training, so that pixels without one do not rule the loss


def build(width: float = 1.0, dropout: float = 0.5) -> UNet:
    """Objects as points (Zhou et al., arXiv:1904.07850): (B, 1, S, S) images -> (B, 3, S, S) maps.

    The maps are the logit of a tumour's centre, and the height and width of its box as shares of the image's side. They
    have the size of the image (CenterNet's a quarter of it), so that no offset within a larger pixel must be learned.
    1,978,499 parameters at width 1; ``width`` multiplies every channel count.
    """
    network = UNet(widened(width, 32, 32, 64, 128, 256, 32), dropout, MAPS)
    with torch.no_grad():
        network.get_parameter("network.final_conv.1.bias")[0] = math.log(RARE / (1 - RARE))
    return network


MEMBER = Network(build, (WIDTH, DROPOUT), at_least(SMALLEST))
