"""The fitted curves of one source vendor, and what pairs of draws say about the front."""

import math
from typing import NamedTuple

import moocore
import numpy as np
import pandas as pd

from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.curve import Curve, fit_curve, rate_grid
from analysis.statistics.pareto import THREE, TWO, hypervolume
from analysis.statistics.resampling import domain_draws

SURFACES = (10, 50, 90)  # per cent of draws that reach a point
FRONT_DRAWS = 200


class Curves(NamedTuple):
    """The metric in both domains, of one vendor and split; None where a curve can't be fitted."""

    in_domain: Curve | None
    cross_domain: Curve | None


class UncertainFront(NamedTuple):
    """The front as a distribution, from draws of both curves at the trained rates."""

    probability_optimal: pd.DataFrame  # realised_rate, two_objectives, three_objectives
    attainment: pd.DataFrame  # percent (10, 50, 90), in_domain, cross_domain
    hypervolume: np.ndarray  # (D,) two objectives


def vendor_curves(trials: pd.DataFrame, draws: dict[str, TrialDraws], vendor: str, split: str) -> Curves:
    """``trials``: those of one vendor that a rule may choose from, one row a training."""
    if trials.empty:
        return Curves(None, None)
    grid = rate_grid(trials["realised_rate"].to_numpy(float))
    found = []
    for domain in TWO:
        each = [domain_draws(draws.get(key, {}), vendor, split, domain) for key in trials["key"]]
        known = all(d is not None and d.patients > 1 for d in each)
        bootstrap = np.stack([d.draws for d in each], axis=1) if known else None
        patients = min(d.patients for d in each) if known else math.inf
        value = trials[f"{split}_{domain}"].to_numpy(float)
        rate = trials["realised_rate"].to_numpy(float)
        found.append(fit_curve(rate, value, bootstrap, grid, f"{vendor} {split} {domain}", patients))
    return Curves(*found)


def uncertain_front(curves: Curves, trained: np.ndarray, chance: float = 0.5) -> UncertainFront | None:
    """Attainment surfaces after Grunert da Fonseca et al. (EMO 2001), by moocore; None without both curves."""
    if curves.in_domain is None or curves.cross_domain is None:
        return None
    rates = np.unique(trained)
    points = np.stack([curves.in_domain.draws_at(rates), curves.cross_domain.draws_at(rates)], axis=2)[:FRONT_DRAWS]
    size = len(points)
    two = np.mean([moocore.is_nondominated(p, maximise=[True, True], keep_weakly=True) for p in points], axis=0)
    with_rate = [np.column_stack([p, rates]) for p in points]
    three = np.mean(
        [moocore.is_nondominated(p, maximise=[True, True, False], keep_weakly=True) for p in with_rate], axis=0
    )
    stacked = -points.reshape(-1, 2)  # moocore's surfaces are of minimisation
    surface = moocore.eaf(stacked, np.repeat(np.arange(size), len(rates)), percentiles=list(SURFACES))
    attainment = pd.DataFrame(
        {"percent": surface[:, 2].round().astype(int), TWO[0]: -surface[:, 0], TWO[1]: -surface[:, 1]}
    )
    optimal = pd.DataFrame({THREE[2]: rates, "two_objectives": two, "three_objectives": three})
    return UncertainFront(optimal, attainment, np.array([hypervolume(p, TWO, chance) for p in points]))
