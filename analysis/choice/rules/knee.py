"""The rate after which more k-space buys little."""

import numpy as np

from analysis.choice.rules.base import Pick, Points, Rule
from analysis.statistics import pareto


def choose(points: Points) -> Pick:
    """The knee of the best in-domain metric reached by each rate (Kneedle)."""
    known = np.isfinite(points.in_domain)
    rate = pareto.knee(points.rate[known], points.in_domain[known])
    if rate is None:
        title = points.measure.title
        return Pick(None, f"no knee: fewer than four rates, or the in-domain {title} does not rise and level off")
    at_knee = np.where(known & (points.rate == rate), points.in_domain, -np.inf)
    return Pick(int(at_knee.argmax()), "the knee of the points: one noisy trial can move it far")


RULE = Rule(choose, needs=("in_domain",))
