"""h: every harmonisation by name; a member maps an image to one that looks more like those of the source vendor."""

from tune_ks.core.options import Member
from tune_ks.model.harmonisations import bias_removal, histogram, n4, nyul
from tune_ks.model.harmonisations.base import Unchanged

HARMONISATIONS = {
    "none": Member(Unchanged, takes_coils=True),
    "histogram": histogram.MEMBER,
    "nyul": nyul.MEMBER,
    "bias_removal": bias_removal.MEMBER,
    "n4": n4.MEMBER,
}
