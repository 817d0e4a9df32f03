"""A metric as a smooth function of rates below 1: a Gaussian process on log2 of the rate on its scale, with a band.

Full sampling is no point of it: without a mask there is no mask noise, and the metric may jump.

Two sources of error are kept apart, because they act differently. Patients: all rates share them, so a resample moves
the whole curve; the smoother is applied to each bootstrap draw. Trainings: their error differs from point to point, so
the process averages it out; its posterior (Rasmussen and Williams, 2006, eq. 2.23-2.24) is drawn and added.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np

from analysis.statistics.bootstrap import LEVEL, widened
from analysis.statistics.scale import from_scale, to_scale
from tune_ks.core.seeding import generator

GRID = 33  # points of the grid
DRAWS = 400
SMALLEST_NOISE = 1e-6  # variance of a point, on the scale of scale.py


class Points(NamedTuple):
    """The trainings of equal rate, averaged; on the scale of scale.py."""

    rate: np.ndarray  # (n,) rising, distinct
    mean: np.ndarray  # (n,)
    noise: np.ndarray | None  # (n,) variance of ``mean`` from scatter within rates; None where no rate was repeated
    group: np.ndarray  # (trainings,) index of each training's rate


class Curve(NamedTuple):
    """One metric against the rate, on its own scale."""

    rates: np.ndarray  # (G,) rising: a logarithmic grid and every trained rate
    mean: np.ndarray  # (G,)
    low: np.ndarray  # (G,) 90 % band, for one rate at a time
    high: np.ndarray  # (G,)
    draws: np.ndarray  # (D, G) whole curves, so that differences within a draw are paired
    patients: np.ndarray  # (D, G) the part of the same draws that comes from resampling the patients
    of_patients: float = 0  # how many the bootstrap rests on; 0 without one

    def at(self, rate: np.ndarray) -> np.ndarray:
        """(n,) rates -> (n,) mean, linear in log rate between grid points."""
        return np.interp(np.log(rate), np.log(self.rates), self.mean)

    def draws_at(self, rate: np.ndarray) -> np.ndarray:
        """(n,) rates -> (D, n)."""
        return self._interpolated(self.draws, rate)

    def patients_at(self, rate: np.ndarray) -> np.ndarray:
        """(n,) rates -> (D, n)."""
        return self._interpolated(self.patients, rate)

    def _interpolated(self, drawn: np.ndarray, rate: np.ndarray) -> np.ndarray:
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
    floor: float = 0.0,
) -> Curve | None:
    """``rate`` and ``value`` (n,), one a training, ``bootstrap`` (B, n) on shared patients, or None -> a Curve.

    ``patients``: number that the bootstrap rests on, two or more; the fewer, the further the draws are stretched, as
    intervals are. ``floor``: the metric's. ValueError for a rate of 1. None with fewer than three distinct rates, or
    where the noise is unknown, as there are neither repeated trainings nor a bootstrap: then the points are the curve.

    Equal rates are averaged. The scatter within them, pooled, is the noise of a training, the only noise that moves the
    curve away from the points; with one training a rate it is fitted with the curve. The error from patients is in the
    bootstrap. When it was also counted as noise of the points, curves became flat whose differences were several times
    the scatter of trainings.
    """
    if np.max(rate, initial=0.0) >= 1:
        raise ValueError("full sampling (rate 1) is not a point of a curve: give its trainings apart")
    known = np.isfinite(value)
    points = _points(np.asarray(rate, float)[known], to_scale(np.asarray(value, float)[known], floor))
    if len(points.rate) < 3 or (points.noise is None and bootstrap is None):
        return None
    shift = np.zeros((DRAWS, len(points.rate)))
    if bootstrap is not None:
        shift = patient_shift(bootstrap[:DRAWS, known], points.group, patients, floor)
    level, weights, covariance = _fit(points, grid)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    normal = generator(0, "curve", purpose).standard_normal((DRAWS, len(grid)))
    posterior = normal @ (vectors * np.sqrt(values.clip(min=0))).T
    common = shift.mean(axis=1, keepdims=True)
    centre = level + weights @ (points.mean - level)
    of_patients = centre + common + (shift - common) @ weights.T
    draws = from_scale(of_patients + posterior, floor)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Curve(
        rates=grid,
        mean=from_scale(centre, floor),
        low=low,
        high=high,
        draws=draws,
        patients=from_scale(of_patients, floor),
        of_patients=0 if bootstrap is None else patients,
    )


def _points(rate: np.ndarray, logits: np.ndarray) -> Points:
    """(trainings,) rates and logits -> the mean of each rate, and its variance where enough rates were repeated."""
    distinct, group, count = np.unique(rate, return_inverse=True, return_counts=True)
    mean = np.bincount(group, logits) / count
    freedom = len(logits) - len(distinct)
    noise = None
    if freedom >= 2:
        pooled = np.sum((logits - mean[group]) ** 2) / freedom
        noise = np.maximum(pooled / count, SMALLEST_NOISE)
    return Points(distinct, mean, noise, group)


def patient_shift(bootstrap: np.ndarray, group: np.ndarray, patients: float, floor: float = 0.0) -> np.ndarray:
    """(B, trainings) metrics on resampled patients -> (DRAWS, n) by how much a draw moves each rate's mean."""
    rates = group.max() + 1
    of_rate = np.stack([to_scale(bootstrap[:, group == number], floor).mean(axis=1) for number in range(rates)])
    of_rate = of_rate.T[np.isfinite(of_rate).all(axis=0)]
    if len(of_rate) < DRAWS // 2:
        return np.zeros((DRAWS, rates))
    return widened(patients) * np.resize(of_rate - of_rate.mean(axis=0), (DRAWS, rates))


def _fit(points: Points, grid: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The process -> its level, (G, n) weights of the points in the smoothed curve, (G, G) posterior covariance."""
    # here, because scikit-learn is most of a second to import, and a small search has no curve
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    repeated = points.noise is not None
    noise = np.full(len(points.rate), SMALLEST_NOISE) if points.noise is None else points.noise
    level = np.average(points.mean, weights=1 / noise)
    x = np.log2(points.rate)[:, None]
    at = np.log2(grid)[:, None]
    # a curve changes over octaves, not between neighbours; the bounds hold three points to that
    kernel = ConstantKernel(0.3, (0.01, 4)) * Matern(2.0, (1.0, 8.0), nu=2.5)
    if not repeated:
        kernel = kernel + WhiteKernel(1e-3, (1e-6, 0.05))  # then the noise is fitted with the curve
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a parameter at its bound is an answer here
        fitted = GaussianProcessRegressor(kernel, alpha=noise).fit(x, points.mean - level).kernel_
    if repeated:
        smooth = fitted
    else:
        smooth = fitted.k1
        noise = noise + fitted.k2.noise_level
    weights = np.linalg.solve(smooth(x) + np.diag(noise), smooth(x, at)).T
    covariance = smooth(at) - weights @ smooth(x, at)
    return level, weights, covariance
