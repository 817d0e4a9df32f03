"""Boxes of tumours: the true one of an image from its mask, and the candidates that a detector's maps hold.

Rows and columns are pixels of the image, counted from 0. A box (top, left, height, width) covers the rows top to
top + height - 1. An image has at most one: the smallest that holds all pixels of its mask. Both sources of masks know
one tumour an image (the phantom draws one, Duke's sheet has one box a patient), and the LROC curve is defined for at
most one (Swensson, Med. Phys. 1996). Two tumours in a mask of the user's own share a box.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

NEIGHBOURS = 5  # pixels a side: a candidate's logit is the highest within this square around it


class Candidates(NamedTuple):
    """K places in each of B images, all (B, K), the best first. ``logit`` is NaN where an image has fewer places."""

    row: Tensor  # of the centre, int64
    column: Tensor
    height: Tensor  # pixels
    width: Tensor
    logit: Tensor


def true_boxes(mask: Tensor) -> Tensor:
    """(B, 1, S, S) masks of 0 and 1 -> (B, 4) boxes; NaN where a mask is empty."""
    top, height = _extent(mask[:, 0].amax(2))
    left, width = _extent(mask[:, 0].amax(1))
    box = torch.stack([top, left, height, width], dim=1)
    return torch.where(height[:, None] > 0, box, torch.nan)


def _extent(covered: Tensor) -> tuple[Tensor, Tensor]:
    """(B, S) of 0 and 1 -> the first place of a 1, and how many places the first and the last one span; both (B,)."""
    first = covered.argmax(1)
    after_last = covered.shape[1] - covered.flip(1).argmax(1)
    length = torch.where(covered.amax(1) > 0, after_last - first, 0)
    return first.float(), length.float()


def centres(box: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 4) boxes -> row and column of the pixel at the centre, (B,) int64; of an even side, the one before it.

    0 where there is no box.
    """
    top, left, height, width = box.nan_to_num(1.0).unbind(1)
    row = top + ((height - 1) / 2).floor()
    column = left + ((width - 1) / 2).floor()
    exists = ~box[:, 0].isnan()
    return (row * exists).long(), (column * exists).long()


def inside(box: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Whether pixels at ``row`` and ``column`` (B, K) lie in the boxes (B, 4); False where there is no box."""
    top, left, height, width = box[:, :, None].unbind(1)
    return (row >= top) & (row < top + height) & (column >= left) & (column < left + width)


def candidates(maps: Tensor, count: int) -> Candidates:
    """(B, 3, S, S) maps of a detector -> the ``count`` highest local maxima of each image's logits.

    Of equal logits the one that is met first, row by row, comes first, so that fewer candidates are always the first
    ones of more. A box is at least one pixel high and wide.
    """
    side = maps.shape[-1]
    logit = maps[:, 0]
    highest = functional.max_pool2d(logit[:, None], NEIGHBOURS, stride=1, padding=NEIGHBOURS // 2)[:, 0]
    left = torch.where(logit < highest, -torch.inf, logit).flatten(1)
    places = []
    logits = []
    for _ in range(count):
        best = left.argmax(1, keepdim=True)
        value = left.gather(1, best)
        places.append(best)
        logits.append(torch.where(value == -torch.inf, torch.nan, value))
        left = left.scatter(1, best, -torch.inf)
    place = torch.cat(places, dim=1)
    sizes = maps[:, 1:].flatten(2).gather(2, place[:, None].expand(-1, 2, -1))
    height, width = (sizes * side).clamp(min=1, max=side).unbind(1)
    return Candidates(place // side, place % side, height, width, torch.cat(logits, dim=1))
