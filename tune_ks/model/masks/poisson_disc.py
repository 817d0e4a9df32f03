"""Poisson-disc mask: the centre, and random coefficients with a smallest distance between them, at an exact count."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.model.masks.base import CENTRE
from tune_ks.model.masks.fixed import FixedMask

CENTRE_SPACING = Option(
    "centre_spacing", "none", "kept: the distance holds from DC and the centre too; none: not, as in 0.1.0", str,
    choices=("none", "kept"),
)  # fmt: skip


class PoissonDisc(FixedMask):
    """Dart throwing (Cook, ACM Trans. Graph. 5, 1986) on the grid: coefficients are tried in a seeded random order.

    A coefficient is accepted if it is far enough from all accepted before. The distance is the largest at which enough
    are accepted; the first ``count`` are kept. Above a rate of about 0.43 of the lines only a distance of one line
    leaves enough room, and the mask is a random uniform one.

    With ``centre_spacing`` "kept", DC and the centre are accepted first, so that the distance holds from them too. With
    "none", the default, they are added afterwards, and a coefficient may lie next to DC. That was the only way in
    version 0.1.0, where a line lay nearer to DC than the distance in 96 % of the seeds (8 of 64 lines).
    """

    def __init__(self, radius: Tensor, rate: float, *, centre_spacing: str = "none", **shared: Any) -> None:
        super().__init__(radius, rate, **shared)
        self.centre_counts = centre_spacing == "kept"

    def select(self, count: int) -> Tensor:
        wanted = count - int(self.centre.sum())
        if wanted <= 0:
            return self.first(self.order, count)
        kept = self._throw(self.square(count), wanted)
        return self.first(torch.from_numpy(kept).to(self.order.device), count)

    def square(self, count: int) -> int:
        """The squared distance at which ``count`` coefficients, more than the centre has, are kept."""
        squares = possible_squares(tuple(self.radius.shape))
        wanted = count - int(self.centre.sum())
        low = 0
        high = len(squares)  # at squares[0] = 1 every coefficient is accepted
        while high - low > 1:
            middle = (low + high) // 2
            if len(self._throw(squares[middle], wanted)) < wanted:
                high = middle
            else:
                low = middle
        return int(squares[low])

    def _throw(self, square: int, wanted: int) -> np.ndarray:
        """The flat indices of the first ``wanted`` accepted coefficients outside the centre."""
        centre = self.centre.flatten()
        darts = self.order[~centre[self.order]].cpu().numpy()
        before = torch.nonzero(centre).flatten().cpu().numpy() if self.centre_counts else np.empty(0, np.int64)
        return throw(darts, tuple(self.radius.shape), square, wanted, before)


def possible_squares(shape: tuple[int, ...]) -> np.ndarray:
    """Every squared distance between two points of the (H or 1, W) grid, rising from 1."""
    rows, columns = (np.arange(size) ** 2 for size in shape)
    return np.unique(rows[:, None] + columns[None, :])[1:]


def throw(darts: np.ndarray, shape: tuple[int, ...], square: int, wanted: int, before: np.ndarray) -> np.ndarray:
    """The flat indices of the first ``wanted`` accepted darts.

    Each lies at least sqrt(``square``) from those accepted earlier, and from the indices ``before``.
    """
    free = np.ones(shape, bool)
    for index in before:
        _close(free, int(index), square)
    kept = []
    for dart in darts:
        if not free.flat[dart]:
            continue
        kept.append(dart)
        if len(kept) == wanted:
            break
        _close(free, int(dart), square)
    return np.array(kept, np.int64)


def _close(free: np.ndarray, index: int, square: int) -> None:
    """Mark as taken what lies nearer than sqrt(``square``) to the flat ``index``."""
    row, column = divmod(index, free.shape[1])
    reach = int(np.ceil(np.sqrt(square))) - 1
    top = max(row - reach, 0)
    left = max(column - reach, 0)
    near = free[top : row + reach + 1, left : column + reach + 1]
    rows = top + np.arange(near.shape[0]) - row
    columns = left + np.arange(near.shape[1]) - column
    near &= rows[:, None] ** 2 + columns[None, :] ** 2 >= square


MEMBER = Member(PoissonDisc, (CENTRE, CENTRE_SPACING))
