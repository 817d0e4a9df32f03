"""The smallest rate within one standard error of the best, the error being that of the difference."""

import numpy as np

from analysis.choice.rules.base import Pick, Points, Rule, near_best, smallest_rate


def choose(points: Points) -> Pick:
    """The smallest rate whose in-domain metric is within one standard error of the best (after Breiman et al., 1984).

    CART's rule takes the error of the best alone. Here all rates are scored on the same patients, whose noise they
    share: so it is the error of each rate's own difference to the best, paired by patient.
    """
    known = np.isfinite(points.in_domain) & np.isfinite(points.in_domain_se)
    if not known.any():
        return Pick(None, "no standard error: neither repeated seeds nor per-image scores")
    in_domain = np.where(known, points.in_domain, -np.inf)
    error = points.gap_error(int(in_domain.argmax()))
    row = smallest_rate(points, known & near_best(in_domain, error))
    return Pick(row, computed={"standard_error": float(error[row])})


RULE = Rule(choose, needs=("in_domain", "in_domain_se"))
