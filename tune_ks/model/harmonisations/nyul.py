"""Nyul-Udupa standardisation: landmarks of every image's intensities are moved to those of the source vendor.

The landmarks l_j are percentiles of the pixels brighter than the image's mean; m_j is the mean of l_j over the training
images. Between two landmarks intensities are mapped linearly, with the outer slopes beyond the ends:

    x' = m_j + (x - l_j) (m_j+1 - m_j) / (l_j+1 - l_j),     at least 0

Nyul and Udupa, Magn. Reson. Med. 42:1072, 1999; deciles as in Nyul et al., IEEE Trans. Med. Imaging 19:143, 2000.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.harmonisations.base import Harmonisation

PERCENTILES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
CLOSEST = 1e-4  # landmarks are at least so far apart, so that a slope stays finite


class Nyul(Harmonisation):
    """``standard`` (L,) are the m_j."""

    standard: Tensor
    shares: Tensor  # (L,) at which the l_j are read

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("standard", torch.tensor(PERCENTILES) / 100)
        self.register_buffer("shares", torch.tensor(PERCENTILES) / 100, persistent=False)

    def fit(self, images: Iterable[Tensor]) -> None:
        total = torch.zeros(len(PERCENTILES), dtype=torch.float64)
        count = 0
        for batch in images:
            total += landmarks(batch, self.shares.cpu()).double().sum(0).cpu()
            count += len(batch)
        self.standard.copy_(total / max(1, count))

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        values = image.flatten(1).contiguous()
        of_image = landmarks(image, self.shares)
        place = torch.searchsorted(of_image, values, right=True) - 1
        place = place.clamp(0, len(PERCENTILES) - 2)
        low = of_image.gather(1, place)
        slope = (self.standard[place + 1] - self.standard[place]) / (of_image.gather(1, place + 1) - low)
        return (self.standard[place] + (values - low) * slope).clamp(min=0).view_as(image)


def landmarks(image: Tensor, shares: Tensor) -> Tensor:
    """(B, 1, S, S) -> (B, L): the values at ``shares`` (L,) of each image's pixels above its mean, strictly rising."""
    ordered = image.flatten(1).sort(1).values
    size = ordered.shape[1]
    count = (ordered > ordered.mean(1, keepdim=True)).sum(1, keepdim=True).clamp(min=1)
    place = size - count + shares * (count - 1)
    first = place.long()
    following = (first + 1).clamp(max=size - 1)
    values = torch.lerp(ordered.gather(1, first), ordered.gather(1, following), place - first)
    steps = CLOSEST * torch.arange(len(shares), device=image.device)
    return (values - steps).cummax(1).values + steps


MEMBER = Member(Nyul)
