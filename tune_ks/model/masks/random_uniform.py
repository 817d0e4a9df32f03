"""Random uniform mask: the centre, and every other coefficient with the same chance, at an exact count."""

from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.masks.base import CENTRE, HERMITIAN
from tune_ks.model.masks.fixed import FixedMask


class RandomUniform(FixedMask):
    """The first k of one seeded permutation, so that a lower rate's mask lies within a higher rate's."""

    def select(self, count: int) -> Tensor:
        return self.first(self.order, count)


MEMBER = Member(RandomUniform, (CENTRE, HERMITIAN))
