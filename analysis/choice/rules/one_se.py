"""The smallest rate within one standard error of the best."""

import numpy as np

from analysis.choice.rules.base import Pick, Points, Rule, near_best, smallest_rate


def choose(points: Points) -> Pick:
    """The smallest rate within one standard error of the best in-domain metric (Breiman et al., CART, 1984)."""
    known = np.isfinite(points.in_domain) & np.isfinite(points.in_domain_se)
    if not known.any():
        return Pick(None, "no standard error: neither repeated seeds nor per-image scores")
    in_domain = np.where(known, points.in_domain, -np.inf)
    error = float(points.in_domain_se[in_domain.argmax()])
    good = known & near_best(in_domain, error)
    return Pick(smallest_rate(points, good), computed={"standard_error": error})


RULE = Rule(choose, needs=("in_domain", "in_domain_se"))
