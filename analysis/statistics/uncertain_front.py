"""The fitted curves of one source vendor, and the distribution of the Pareto front over draws of both curves."""

import math
from typing import NamedTuple

import moocore
import numpy as np
import pandas as pd

from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.curve import Curve, fit_curve, rate_grid
from analysis.statistics.pareto import TWO, hypervolume
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
    rate = trials["realised_rate"].to_numpy(float)
    grid = rate_grid(rate)
    fitted = []
    for domain in TWO:
        resampled = [domain_draws(draws.get(key, {}), vendor, split, domain) for key in trials["key"]]
        bootstrap = None
        patients = math.inf
        if all(training is not None and training.patients > 1 for training in resampled):
            bootstrap = np.stack([training.draws for training in resampled], axis=1)
            patients = min(training.patients for training in resampled)
        value = trials[f"{split}_{domain}"].to_numpy(float)
        fitted.append(fit_curve(rate, value, bootstrap, grid, f"{vendor} {split} {domain}", patients))
    return Curves(*fitted)


def uncertain_front(curves: Curves, trained: np.ndarray, chance: float = 0.5) -> UncertainFront | None:
    """Attainment surfaces after Grunert da Fonseca et al. (EMO 2001), by moocore; None without both curves."""
    if curves.in_domain is None or curves.cross_domain is None:
        return None
    rates = np.unique(trained)
    points = np.stack([curves.in_domain.draws_at(rates), curves.cross_domain.draws_at(rates)], axis=2)[:FRONT_DRAWS]
    two, three = [], []
    for of_draw in points:
        with_rate = np.column_stack([of_draw, rates])
        two.append(moocore.is_nondominated(of_draw, maximise=[True, True], keep_weakly=True))
        three.append(moocore.is_nondominated(with_rate, maximise=[True, True, False], keep_weakly=True))
    optimal = pd.DataFrame(
        {
            "realised_rate": rates,
            "two_objectives": np.mean(two, axis=0),
            "three_objectives": np.mean(three, axis=0),
        }
    )
    number_of_draw = np.repeat(np.arange(len(points)), len(rates))
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
