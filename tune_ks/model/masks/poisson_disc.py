"""Poisson-disc mask: the centre, and others at random with no two nearer than a distance, at an exact count."""

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.masks.base import CENTRE
from tune_ks.model.masks.fixed import FixedMask


class PoissonDisc(FixedMask):
    """Dart throwing (Cook, ACM Trans. Graph. 5, 1986) on the grid: darts fall in one seeded order of all coefficients.

    The distance is the largest at which the darts that stick reach the budget; the first of them are kept, so the
    count is exact and the distance holds. Above about 0.43 of the lines no distance beyond the next neighbour has
    room, and the mask is a random uniform one.
    """

    def select(self, count: int) -> Tensor:
        shape = tuple(self.radius.shape)
        darts = self.order[~self.centre.flatten()[self.order]].cpu().numpy()
        wanted = count - int(self.centre.sum())
        if wanted <= 0:
            return self.first(self.order, count)
        squares = possible_squares(shape)
        low, high = 0, len(squares)  # at squares[0] = 1 every dart sticks
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
    """The flat indices of the first ``wanted`` darts that stick: each at least sqrt(``square``) from those before."""
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
        top, left = row + rows[0], column + columns[0]
        bottom, right = row + rows[-1] + 1, column + columns[-1] + 1
        inside = free[max(top, 0) : bottom, max(left, 0) : right]
        inside &= ~near[max(-top, 0) : max(-top, 0) + inside.shape[0], max(-left, 0) : max(-left, 0) + inside.shape[1]]
    return np.array(kept, np.int64)


MEMBER = Member(PoissonDisc, (CENTRE,))
