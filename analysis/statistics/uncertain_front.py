"""The Pareto front of one source vendor as a distribution, from draws of its configurations' metrics."""

from collections.abc import Mapping
from typing import NamedTuple

import moocore
import numpy as np
import pandas as pd

from analysis.statistics.pareto import TWO, hypervolume

SURFACES = (10, 50, 90)  # per cent of draws that reach a point
FRONT_DRAWS = 200


class UncertainFront(NamedTuple):
    """The front as a distribution."""

    probability_optimal: pd.DataFrame  # realised_rate, two_objectives, three_objectives
    attainment: pd.DataFrame  # percent (10, 50, 90), in_domain, cross_domain
    hypervolume: np.ndarray  # (D,) two objectives


def uncertain_front(rate: np.ndarray, draws: Mapping[str, np.ndarray], chance: float = 0.5) -> UncertainFront | None:
    """``rate`` (n,) and by domain (D, n) draws of the configurations' metric -> the fronts of the draws.

    A rate is optimal in a draw when one of its configurations is. Attainment surfaces after Grunert da Fonseca et al.
    (EMO 2001), by moocore. None without draws of both domains.
    """
    if any(domain not in draws for domain in TWO):
        return None
    order = np.argsort(rate, kind="stable")
    rates, starts = np.unique(rate[order], return_index=True)
    points = np.stack([draws[domain][:FRONT_DRAWS, order] for domain in TWO], axis=2)
    two, three = [], []
    for of_draw in points:
        with_rate = np.column_stack([of_draw, rate[order]])
        on_two = moocore.is_nondominated(of_draw, maximise=[True, True], keep_weakly=True)
        on_three = moocore.is_nondominated(with_rate, maximise=[True, True, False], keep_weakly=True)
        two.append(np.logical_or.reduceat(on_two, starts))
        three.append(np.logical_or.reduceat(on_three, starts))
    optimal = pd.DataFrame(
        {
            "realised_rate": rates,
            "two_objectives": np.mean(two, axis=0),
            "three_objectives": np.mean(three, axis=0),
        }
    )
    number_of_draw = np.repeat(np.arange(len(points)), len(rate))
    minimised = -points.reshape(-1, 2)  # moocore's surfaces are of minimisation
    surface = moocore.eaf(minimised, number_of_draw, percentiles=list(SURFACES))
    attainment = pd.DataFrame(
        {
            "percent": surface[:, 2].round().astype(int),
            "in_domain": -surface[:, 0],
            "cross_domain": -surface[:, 1],
        }
    )
    volumes = np.array([hypervolume(of_draw, TWO, chance) for of_draw in points])
    return UncertainFront(optimal, attainment, volumes)
