"""The smallest rate that costs little in-domain."""

from analysis.choice.rules.base import Option, Pick, Points, Rule, near_best, smallest_rate

EPSILON = Option(
    name="epsilon",
    default=0.02,  # of the AUC; the source study's own choice needs 0.024 to 0.058
    about="in-domain metric (AUC, Dice) that may be lost for a smaller rate",
)


def choose(points: Points, epsilon: float) -> Pick:
    """The smallest rate whose in-domain metric is within epsilon of the best."""
    good = near_best(points.in_domain, epsilon)
    if not good.any():
        return Pick(None, f"no candidate has an in-domain {points.measure.title}")
    return Pick(smallest_rate(points, good))


RULE = Rule(choose, needs=("in_domain",), options=(EPSILON,))
