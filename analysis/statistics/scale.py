"""The scale on which a metric's errors are taken for normal: no interval, and no draw of a curve, leaves its limits.

Between two limits (a metric in [0, 1], a difference in [-1, 1]) it is the logit of the share of the range. A metric
that is at most 1 and may fall without end (R2) has -log(1 - value); a difference of two such has no limit, and its
scale is the difference itself. Errors are carried over by the derivative (delta method).
"""

import math
from typing import Any

import numpy as np

from analysis.statistics.special import expit, logit

EDGE = 1e-3  # a share of the range nearer to 0 or 1 than this is moved here: its logit would be infinite


def limits_of_difference(floor: float) -> tuple[float, float]:
    """The least and the greatest difference of two metrics that are at least ``floor`` and at most 1."""
    return (-1.0, 1.0) if math.isfinite(floor) else (-math.inf, math.inf)


def to_scale(value: Any, floor: float = 0.0, ceiling: float = 1.0, edge: float = EDGE) -> np.ndarray:
    """Values on their scale, kept finite."""
    value = np.asarray(value, dtype=float)
    if math.isinf(ceiling):
        return value
    if math.isinf(floor):
        return -np.log(np.maximum(ceiling - value, edge))
    return logit(np.clip((value - floor) / (ceiling - floor), edge, 1 - edge))


def from_scale(place: Any, floor: float = 0.0, ceiling: float = 1.0) -> np.ndarray:
    """The inverse of ``to_scale``."""
    place = np.asarray(place, dtype=float)
    if math.isinf(ceiling):
        return place
    if math.isinf(floor):
        return ceiling - np.exp(-place)
    return floor + (ceiling - floor) * expit(place)


def slope(value: float, floor: float = 0.0, ceiling: float = 1.0) -> float:
    """The derivative of the metric by its place on the scale."""
    if math.isinf(ceiling):
        return 1.0
    if math.isinf(floor):
        return ceiling - value
    share = (value - floor) / (ceiling - floor)
    return (ceiling - floor) * (share * (1 - share))
