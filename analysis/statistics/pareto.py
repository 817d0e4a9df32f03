"""Pareto front (points that no other dominates), hypervolume (size of what is dominated), and knee of a curve."""

import warnings
from typing import NamedTuple

import moocore
import numpy as np
import pandas as pd

from tune_ks.core.metrics import DOMAINS

DIRECTIONS = {"in_domain": True, "cross_domain": True, "realised_rate": False}  # True: more is better
TWO = DOMAINS
THREE = (*TWO, "realised_rate")


class ParetoFront(NamedTuple):
    """The non-dominated points under some objectives."""

    objectives: tuple[str, ...]
    points: pd.DataFrame  # the rows on the front, by realised rate
    hypervolume: float  # against chance and everything sampled; NaN when no point has every objective
    left_out: int  # rows that lack an objective: a NaN neither dominates nor is dominated


def pareto_front(points: pd.DataFrame, objectives: tuple[str, ...] = TWO, chance: float = 0.5) -> ParetoFront:
    """(n rows with the objectives' columns) -> the rows that no other row dominates; equal rows stay together.

    Metrics are maximised, the rate is minimised; ``chance`` is what a metric is without knowledge. Non-dominated
    sorting and hypervolume by moocore (Kung et al., JACM 1975; Fonseca et al., CEC 2006). ValueError for an objective
    that has no direction.
    """
    unknown = [name for name in objectives if name not in DIRECTIONS]
    if unknown:
        raise ValueError(f"objective {unknown[0]!r} has no direction; known: {', '.join(DIRECTIONS)}")
    complete = points.dropna(subset=list(objectives))
    left_out = len(points) - len(complete)
    if complete.empty:
        return ParetoFront(objectives, complete, float("nan"), left_out)
    values = complete[list(objectives)].to_numpy(dtype=float)
    maximise = [DIRECTIONS[name] for name in objectives]
    front = complete[moocore.is_nondominated(values, maximise=maximise, keep_weakly=True)]
    front = front.sort_values("realised_rate", kind="stable") if "realised_rate" in front else front
    return ParetoFront(objectives, front, hypervolume(values, objectives, chance), left_out)


def reference(objectives: tuple[str, ...], chance: float) -> list[float]:
    """The point that a volume is measured from: chance, chance, everything sampled."""
    return [1.0 if name == "realised_rate" else chance for name in objectives]


def hypervolume(values: np.ndarray, objectives: tuple[str, ...] = TWO, chance: float = 0.5) -> float:
    """(n, len(objectives)) -> volume between the points and ``reference``; a point not better in all adds nothing."""
    maximise = [DIRECTIONS[name] for name in objectives]
    return float(moocore.hypervolume(values, ref=reference(objectives, chance), maximise=maximise))


def knee(rate: np.ndarray, score: np.ndarray) -> float | None:
    """The rate after which more k-space buys little: the knee of the best score reached by each rate.

    ``rate`` (n,) and ``score`` (n,). Kneedle (Satopaa et al., ICDCS workshops 2011) on the running maximum, which is
    increasing. None with fewer than four distinct rates, with a flat curve, and where there is no knee.
    """
    known = ~(np.isnan(rate) | np.isnan(score))
    rates, group = np.unique(rate[known], return_inverse=True)
    best = np.full(len(rates), -np.inf)
    np.maximum.at(best, group, score[known])
    best = np.maximum.accumulate(best)
    if len(best) < 4 or best[-1] <= best[0]:
        return None
    import kneed  # here, because it brings in half of scipy, which a short curve does not need

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        at_knee = kneed.KneeLocator(rates, best, curve="concave", direction="increasing").knee
    return None if at_knee is None else float(at_knee)
