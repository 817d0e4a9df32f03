"""Bias field: slow changes of the brightness over the image (BigAug: Zhang et al., IEEE Trans. Med. Imaging, 2020)."""

from functools import lru_cache

import torch
from torch import Tensor

from tune_ks.training.styles.base import Style, member

DEGREE = 3


class BiasField(Style):
    """x' = x exp(b - mean b), b a sum of products of Legendre polynomials P_i(rows) P_j(columns), 0 < i + j <= DEGREE.

    Its coefficients are uniform in [-strength, strength), as in the corruption of this name.
    """

    def changed(self, image: Tensor) -> Tensor:
        fields = polynomials(image.shape[-1], image.device)
        drawn = torch.empty(len(image), len(fields), device=image.device).uniform_(-self.strength, self.strength)
        field = (drawn @ fields.flatten(1)).view_as(image)
        return image * (field - field.mean((-2, -1), keepdim=True)).exp()


@lru_cache(maxsize=4)
def polynomials(side: int, device: torch.device) -> Tensor:
    """(K, S, S): the products, on [-1, 1] along both axes."""
    place = torch.linspace(-1, 1, side, dtype=torch.float64, device=device)
    along = [torch.ones_like(place), place]
    for degree in range(2, DEGREE + 1):
        along.append(((2 * degree - 1) * place * along[-1] - (degree - 1) * along[-2]) / degree)
    pairs = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i) if i + j > 0]
    return torch.stack([along[i][:, None] * along[j] for i, j in pairs]).float()


MEMBER = member(BiasField, 0.4)
