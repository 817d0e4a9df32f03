"""Random convolution: an image of the same shapes in another texture (Xu et al., ICLR 2021)."""

import torch
from torch import Tensor
from torch.nn import functional

from tune_ks.training.styles.base import Style, member, uniform

SIDE = 3  # pixels of the kernel


class RandomConvolution(Style):
    """x' = |(1 - a) x + a w * x|, w of SIDE x SIDE normal numbers with variance 1 / SIDE^2, a uniform in [0, strength).

    This is the mixing variant of the publication. The magnitude is taken because a scanner shows magnitudes.
    """

    def changed(self, image: Tensor) -> Tensor:
        kernel = torch.randn(len(image), 1, SIDE, SIDE, device=image.device) / SIDE
        padded = functional.pad(image, [SIDE // 2] * 4, mode="replicate")
        convolved = functional.conv2d(padded.transpose(0, 1), kernel, groups=len(image)).transpose(0, 1)
        return torch.lerp(image, convolved, uniform(image, 0, self.strength)).abs()


MEMBER = member(RandomConvolution, 1.0, most=1)
