"""Noise: Rician noise of a random strength (Gudbjartsson and Patz, MRM 34, 1995; BigAug: Zhang et al., IEEE TMI 2020).

Guo et al. (arXiv:2409.04368) report that noise as an augmentation did not help across scanners.
"""

import torch
from torch import Tensor

from tune_ks.training.styles.base import Style, member, uniform


class Noise(Style):
    """x' = |x + a (n1 + i n2)|, n1 and n2 standard normal for each pixel, a uniform in [0, strength)."""

    def changed(self, image: Tensor) -> Tensor:
        amount = uniform(image, 0, self.strength)
        return torch.hypot(image + amount * torch.randn_like(image), amount * torch.randn_like(image))


MEMBER = member(Noise, 0.1)
