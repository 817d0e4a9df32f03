"""Low-pass mask: the k coefficients nearest to DC. The baseline for learned masks."""

from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.model.masks.base import CENTRE, HERMITIAN
from tune_ks.model.masks.fixed import FixedMask


class Lowpass(FixedMask):
    """m(c) = 1 for the k smallest |c|, ties in radius broken by the seed."""

    def select(self, count: int) -> Tensor:
        return self.nearest(count)


MEMBER = Member(Lowpass, (CENTRE, HERMITIAN))
