"""Poisson-disc mask: the centre, and random coefficients with a smallest distance between them, at an exact count."""

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.masks.base import CENTRE
from tune_ks.model.masks.fixed import FixedMask


class PoissonDisc(FixedMask):
    """Dart throwing (Cook, ACM Trans. Graph. 5, 1986) on the grid: coefficients are tried in a seeded random order.

    A coefficient is accepted if it is far enough from all accepted before. The distance is the largest at which enough
    are accepted; the first ``count`` are kept. Above a rate of about 0.43 of the lines only a distance of one line
    leaves enough room, and the mask is a random uniform one.
    """

    def select(self, count: int) -> Tensor:
        shape = tuple(self.radius.shape)
        darts = self.order[~self.centre.flatten()[self.order]].cpu().numpy()
        wanted = count - int(self.centre.sum())
        if wanted <= 0:
            return self.first(self.order, count)
        squares = possible_squares(shape)
        low = 0
        high = len(squares)  # at squares[0] = 1 every coefficient is accepted
        while high - low > 1:
            middle = (low + high) // 2
            if len(throw(darts, shape, squares[middle], wanted)) < wanted:
                high = middle
            else:
                low = middle
        kept = throw(darts, shape, squares[low], wanted)
        return self.first(torch.from_numpy(kept).to(self.order.device), count)


def possible_squares(shape: tuple[int, ...]) -> np.ndarray:
    """Every squared distance between two points of the (H or 1, W) grid, rising from 1."""
    rows, columns = (np.arange(size) ** 2 for size in shape)
    return np.unique(rows[:, None] + columns[None, :])[1:]


def throw(darts: np.ndarray, shape: tuple[int, ...], square: int, wanted: int) -> np.ndarray:
    """The flat indices of the first ``wanted`` accepted darts: each at least sqrt(``square``) from those before."""
    free = np.ones(shape, bool)
    reach = int(np.ceil(np.sqrt(square))) - 1
    rows, columns = (np.arange(-min(reach, size - 1), min(reach, size - 1) + 1) for size in shape)
    near = rows[:, None] ** 2 + columns[None, :] ** 2 < square
    kept = []
    for dart in darts:
        row, column = divmod(int(dart), shape[1])
        if not free[row, column]:
            continue
        kept.append(dart)
        if len(kept) == wanted:
            break
        top = row + rows[0]
        left = column + columns[0]
        bottom = row + rows[-1] + 1
        right = column + columns[-1] + 1
        inside = free[max(top, 0) : bottom, max(left, 0) : right]
        inside &= ~near[max(-top, 0) : max(-top, 0) + inside.shape[0], max(-left, 0) : max(-left, 0) + inside.shape[1]]
    return np.array(kept, np.int64)


MEMBER = Member(PoissonDisc, (CENTRE,))
