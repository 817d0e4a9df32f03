"""A metric as a smooth function of the realised rate: a Gaussian process on log2 rate and its logit, with a band.

Two sources of doubt, kept apart because they act differently. Which patients: all rates share them, so a resample
moves the whole curve; the smoother is applied to each bootstrap draw. Which training: differs from point to point, so
the process averages it out; its posterior (Rasmussen and Williams, 2006, eq. 2.23-2.24) is drawn on top.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from analysis.statistics.bootstrap import LEVEL, widened
from tune_ks.core.seeding import generator

GRID, DRAWS, EDGE = 33, 400, 1e-3


class Curve(NamedTuple):
    """One metric against the rate, on its own scale."""

    rates: np.ndarray  # (G,) rising: a logarithmic grid and every trained rate
    mean: np.ndarray  # (G,)
    low: np.ndarray  # (G,) 90 % band, for one rate at a time
    high: np.ndarray  # (G,)
    draws: np.ndarray  # (D, G) whole curves: differences along one draw are paired
    patients: np.ndarray  # (D, G) the same draws as far as the patients move them

    def at(self, rate: np.ndarray) -> np.ndarray:
        """(n,) rates -> (n,) mean, linear in log rate between grid points."""
        return np.interp(np.log(rate), np.log(self.rates), self.mean)

    def draws_at(self, rate: np.ndarray) -> np.ndarray:
        """(n,) rates -> (D, n)."""
        return self._each(self.draws, rate)

    def patients_at(self, rate: np.ndarray) -> np.ndarray:
        """(n,) rates -> (D, n)."""
        return self._each(self.patients, rate)

    def _each(self, drawn: np.ndarray, rate: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(np.log(rate), np.log(self.rates), draw) for draw in drawn])


def rate_grid(rates: np.ndarray) -> np.ndarray:
    """Trained rates and GRID points between their ends, evenly in log rate."""
    known = np.unique(np.asarray(rates, float))
    return np.unique(np.r_[known, np.geomspace(known[0], known[-1], GRID)[1:-1]])


def fit_curve(
    rate: np.ndarray,
    value: np.ndarray,
    bootstrap: np.ndarray | None,
    grid: np.ndarray,
    purpose: str = "",
    patients: float = math.inf,
) -> Curve | None:
    """``rate`` and ``value`` (n,), one a training, ``bootstrap`` (B, n) on shared patients, or None -> a Curve.

    ``patients``: that the bootstrap rests on, two or more; the fewer, the further the draws are stretched, as intervals
    are. None with fewer than three distinct rates, or where neither repeated trainings nor a bootstrap tell the noise:
    then the points are the curve. Equal rates are averaged; scatter within them, pooled, is the noise of a training,
    and the only noise that pulls the curve off the points; with one training a rate it is fitted with the curve.
    What patients add is in the bootstrap: counted as noise of the points too, it flattened curves that differ by
    several times what trainings scatter.
    """
    known = np.isfinite(value)
    rate, y = np.asarray(rate, float)[known], _logit(np.asarray(value, float)[known])
    unique, group, count = np.unique(rate, return_inverse=True, return_counts=True)
    if len(unique) < 3:
        return None
    mean = np.bincount(group, y) / count
    freedom = len(y) - len(unique)
    if freedom < 2 and bootstrap is None:
        return None
    repeated = freedom >= 2
    alpha = np.sum((y - mean[group]) ** 2) / freedom / count if repeated else np.zeros(len(unique))
    shift = np.zeros((DRAWS, len(unique)))
    if bootstrap is not None:
        of_rate = np.stack([_logit(bootstrap[:DRAWS, known][:, group == g]).mean(axis=1) for g in range(len(unique))])
        of_rate = of_rate.T[np.isfinite(of_rate).all(axis=0)]
        if len(of_rate) >= DRAWS // 2:
            shift = widened(patients) * np.resize(of_rate - of_rate.mean(axis=0), shift.shape)
    alpha = np.maximum(alpha, 1e-6)
    x, at, level = np.log2(unique)[:, None], np.log2(grid)[:, None], np.average(mean, weights=1 / alpha)
    # a curve changes over octaves, not between neighbours; the bounds hold three points to that
    kernel = ConstantKernel(0.3, (0.01, 4)) * Matern(2.0, (1.0, 8.0), nu=2.5)
    noise = WhiteKernel(1e-3, (1e-6, 0.05))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a parameter at its bound is an answer here
        fitted = GaussianProcessRegressor(kernel if repeated else kernel + noise, alpha=alpha).fit(x, mean - level)
    smooth, white = (fitted.kernel_, 0.0) if repeated else (fitted.kernel_.k1, fitted.kernel_.k2.noise_level)
    weights = np.linalg.solve(smooth(x) + np.diag(alpha + white), smooth(x, at)).T  # (G, n)
    covariance = smooth(at) - weights @ smooth(x, at)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    normal = generator(0, "curve", purpose).standard_normal((DRAWS, len(grid)))
    posterior = normal @ (vectors * np.sqrt(values.clip(min=0))).T
    common = shift.mean(axis=1, keepdims=True)
    centre = level + weights @ (mean - level)
    patients = centre + common + (shift - common) @ weights.T
    draws = expit(patients + posterior)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Curve(grid, expit(centre), low, high, draws, expit(patients))


def _logit(value: np.ndarray) -> np.ndarray:
    return logit(np.clip(value, EDGE, 1 - EDGE))
