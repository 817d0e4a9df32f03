"""Gamma: intensities to a random power (BigAug: Zhang et al., IEEE Trans. Med. Imaging 39:2531, 2020)."""

from torch import Tensor

from tune_ks.training.styles.base import Style, member, uniform


class Gamma(Style):
    """x' = x^((1 + strength)^u), u uniform in [-1, 1)."""

    def changed(self, image: Tensor) -> Tensor:
        return image.clamp(min=0) ** ((1 + self.strength) ** uniform(image, -1, 1))


MEMBER = member(Gamma, 0.5)
