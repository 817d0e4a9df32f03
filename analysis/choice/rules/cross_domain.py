"""The rate with the best cross-domain metric that costs little in-domain."""

import numpy as np

from analysis.choice.rules.base import Option, Pick, Points, Rule, near_best, smallest_rate

TOLERANCE = Option(
    name="tolerance",
    default=0.02,
    about="in-domain metric that may be lost for a better cross-domain one",
)


def choose(points: Points, tolerance: float) -> Pick:
    """The best cross-domain metric among the rates whose in-domain metric is within the tolerance of the best."""
    cross_domain = np.where(near_best(points.in_domain, tolerance), points.cross_domain, np.nan)
    good = near_best(cross_domain, 0.0)
    if not good.any():
        words = points.measure.words("a cross-domain metric: no other vendor was scored")
        return Pick(None, f"no candidate within the tolerance has {words}")
    return Pick(smallest_rate(points, good))


RULE = Rule(choose, needs=("in_domain", "cross_domain"), options=(TOLERANCE,))
