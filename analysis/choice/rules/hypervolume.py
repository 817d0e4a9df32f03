"""The rate without which the hypervolume of the Pareto front shrinks most."""

import moocore
import numpy as np

from analysis.choice.rules.base import Pick, Points, Rule
from analysis.statistics.pareto import DIRECTIONS, THREE, reference


def choose(points: Points) -> Pick:
    """The rate on the Pareto front of both metrics and the rate without which its hypervolume shrinks most.

    Only the front is looked at: a dominated rate just behind a point of the front, which would fill part of the gap
    that this point leaves, does not lower its share. Isolated rates are favoured.
    """
    values = np.column_stack([points.in_domain, points.cross_domain, points.rate])  # the order of THREE
    (known,) = np.nonzero(np.isfinite(values).all(axis=1))
    measure = points.measure
    if not len(known):
        return Pick(None, f"no candidate has both {measure.plural}")
    maximise = [DIRECTIONS[name] for name in THREE]
    shares = moocore.hv_contributions(
        values[known], ref=reference(THREE, measure.chance), maximise=maximise, ignore_dominated=True
    )
    if not shares.max() > 0:
        return Pick(None, f"no candidate below rate 1 is better than chance on both {measure.plural}")
    return Pick(int(known[shares.argmax()]))


RULE = Rule(choose, needs=("in_domain", "cross_domain"))
