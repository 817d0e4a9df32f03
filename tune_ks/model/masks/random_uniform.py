"""Random uniform mask: the centre, and other coefficients with equal probability, at an exact count."""

from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.masks.base import CENTRE, HERMITIAN
from tune_ks.model.masks.fixed import FixedMask


class RandomUniform(FixedMask):
    """The first k of one seeded permutation, so that the mask of a lower rate is part of that of a higher rate."""

    def select(self, count: int) -> Tensor:
        return self.first(self.order, count)


MEMBER = Member(RandomUniform, (CENTRE, HERMITIAN))
