"""What the data say of a rate against full sampling: one value for each endpoint, computed once.

Every sentence, colour and table cell about the comparison is a function of it. It rests on the 90 % interval of the
difference on test patients, each end of which is a one-sided 95 % bound; where that leaves the question open, on the
proof, which was made on validation patients.
"""

import math
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from analysis.statistics.bootstrap import Interval
from tune_ks.core.metrics import DOMAINS

SEVERAL = 2  # seeds of either side from which a difference is about the rates


class Kind(Enum):
    """The verdict; its value is the name in files and tables."""

    BETTER = "better"
    NOT_WORSE = "not worse by the margin"
    WORSE = "worse"
    NOT_SEPARATED = "not separated"
    UNKNOWN = "unknown"  # nothing to compare by


class Basis(Enum):
    """What a verdict rests on, which limits what it may claim."""

    RATE = "seeds and test patients"
    TRAININGS = "single trainings on test patients"  # says nothing about the rate: a second training may differ
    PROOF = "the proof on validation patients"
    NOTHING = "nothing"


class Verdict(NamedTuple):
    """One endpoint of a rate against full sampling."""

    kind: Kind
    basis: Basis
    margin: float
    difference: float  # test metric minus full sampling's; NaN unknown
    interval: Interval  # 90 %
    with_trainings: bool  # whether the interval holds the error of trainings; of single ones it is pooled over rates
    proven: bool = False  # on validation patients: not worse by more than the margin

    @property
    def about_rate(self) -> bool:
        """False where it is about the trainings that there are."""
        return self.basis is not Basis.TRAININGS

    @property
    def good(self) -> bool:
        """Whether the rate may be used in place of full sampling for all that is known."""
        return self.kind in (Kind.BETTER, Kind.NOT_WORSE)

    @property
    def contradicts_proof(self) -> bool:
        """Whether test patients show the loss that validation patients excluded."""
        return self.proven and self.kind is Kind.WORSE


def verdicts(values: Mapping[str, float], margin: float, proven: bool) -> dict[str, Verdict]:
    """Endpoint -> its verdict; ``values``: the columns difference_DOMAIN... of metric_intervals()."""
    return {domain: verdict(values, domain, margin, proven) for domain in DOMAINS}


def is_proven(of_endpoints: Mapping[str, Verdict]) -> bool:
    """Whether a rate passed the test on validation patients, whatever test patients say."""
    return len(of_endpoints) > 0 and all(of_endpoint.proven for of_endpoint in of_endpoints.values())


def verdict(values: Mapping[str, float], domain: str, margin: float, proven: bool) -> Verdict:
    """The verdict on one endpoint. ``proven``: the rate passed the test on validation patients at this margin."""
    name = f"difference_{domain}"
    ends = Interval(values.get(f"{name}_low", math.nan), values.get(f"{name}_high", math.nan))
    several = values.get(f"{name}_seeds", math.nan) >= SEVERAL
    kind, basis = _judge(ends, margin, proven, Basis.RATE if several else Basis.TRAININGS)
    return Verdict(
        kind=kind,
        basis=basis,
        margin=margin,
        difference=values.get(name, math.nan),
        interval=ends,
        with_trainings=math.isfinite(values.get(f"{name}_of_trainings", math.nan)),
        proven=proven,
    )


def _judge(ends: Interval, margin: float, proven: bool, tested: Basis) -> tuple[Kind, Basis]:
    """``tested``: what the interval on test patients is about."""
    unknown = math.isnan(ends.low) or math.isnan(ends.high)
    if not unknown and ends.low > 0:
        return Kind.BETTER, tested
    if not unknown and ends.low >= -margin:
        return Kind.NOT_WORSE, tested
    if proven and not ends.high < -margin:  # the interval leaves room for what is proven
        return Kind.NOT_WORSE, Basis.PROOF
    if unknown:
        return Kind.UNKNOWN, Basis.NOTHING
    return (Kind.WORSE if ends.high < 0 else Kind.NOT_SEPARATED), tested
