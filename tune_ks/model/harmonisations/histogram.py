"""Histogram matching: every image gets the source vendor's mean histogram.

With the share p(v) of an image's pixels below v, those at v counted half, and the mean quantile function q of the
training images,

    x' = q(p(x))

(Gonzalez and Woods, Digital Image Processing, section 3.3). Equal pixels stay equal, and no order changes.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.harmonisations.base import Harmonisation

LEVELS = 256  # shares at which q is kept, at (k + 1/2) / LEVELS; linear between them


class HistogramMatching(Harmonisation):
    """``reference`` (LEVELS,) is q."""

    reference: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("reference", torch.linspace(0, 1, LEVELS))

    def fit(self, images: Iterable[Tensor]) -> None:
        total = torch.zeros(LEVELS, dtype=torch.float64)
        count = 0
        for batch in images:
            ordered = batch.flatten(1).sort(1).values
            total += at_shares(ordered, LEVELS).double().sum(0).cpu()
            count += len(batch)
        self.reference.copy_(total / max(1, count))

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        values = image.flatten(1).contiguous()
        ordered = values.sort(1).values
        below = torch.searchsorted(ordered, values)
        not_above = torch.searchsorted(ordered, values, right=True)
        share = (below + not_above) / (2 * values.shape[1])
        return between(self.reference, share * LEVELS - 0.5).view_as(image)


def at_shares(ordered: Tensor, levels: int) -> Tensor:
    """(B, N) sorted values -> (B, levels): the values at the shares (k + 1/2) / levels, linear between pixels."""
    count = ordered.shape[1]
    shares = (torch.arange(levels, device=ordered.device) + 0.5) / levels
    place = (shares * count - 0.5).clamp(0, count - 1)
    first = place.long()
    following = (first + 1).clamp(max=count - 1)
    return torch.lerp(ordered[:, first], ordered[:, following], place - first)


def between(table: Tensor, place: Tensor) -> Tensor:
    """``table`` (L,) read at ``place``, linear between its entries and constant beyond its ends."""
    place = place.clamp(0, len(table) - 1)
    first = place.long()
    following = (first + 1).clamp(max=len(table) - 1)
    return torch.lerp(table[first], table[following], place - first)


MEMBER = Member(HistogramMatching)
