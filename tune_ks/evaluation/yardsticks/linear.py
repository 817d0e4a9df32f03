"""A linear yardstick: logistic regression on 35 numbers of an image.

    13  quantiles of the pixels                            the histogram
     2  mean |x(i, j + 1) - x(i, j)|, along each axis      sharpness
     1  standard deviation of the pixels                   contrast
    19  log10 of the mean power of |F x|^2 in rings        texture, by spatial frequency

The rings have equal width from DC to the corner of k-space, both frequencies at Nyquist. On the breast patches the
rings beyond Nyquist count: without them the AUC falls from 0.836 to 0.805 (GE, mean of six splits).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tune_ks.core.metrics import auc
from tune_ks.evaluation.yardsticks.base import Labelled, NumberScores, has_both_classes, of_numbers

QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
RINGS = 19
CORNER = 0.5 * 2**0.5  # cycles per pixel: Nyquist, 0.5, along both axes
FLOOR = 1e-6  # mean power below which a ring counts as empty: float32 rounding of an unsampled line stays below it
CLOSE = 1e-10  # a gradient per image that counts as none
MOST_STEPS = 100  # ten are usual
SMALLEST_STEP = 1e-6  # a step that is halved to this: rounding hides what is left to gain
TINY = 1e-9  # penalty of the intercept, so that there is one minimum whatever the images
INVERSE_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # C of the logistic regression, strongest penalty first


def numbers(images: np.ndarray) -> np.ndarray:
    """(n, S, S) -> (n, 35)."""
    pixels = images.reshape(len(images), images.shape[1] * images.shape[2])
    down = np.abs(np.diff(images, axis=1)).mean((1, 2))
    across = np.abs(np.diff(images, axis=2)).mean((1, 2))
    columns = [
        np.quantile(pixels, QUANTILES, axis=1).T,
        np.stack([down, across, pixels.std(1)], axis=1),
        _log_spectrum(images),
    ]
    return np.concatenate(columns, axis=1).astype(np.float64)


def fit(train: Labelled, val: Labelled) -> NumberScores:
    """Logistic regression on standardised numbers; the penalty has the best AUC on the validation images.

    Of equal penalties the strongest is taken. Without both classes in validation the penalty is C = 1.
    """
    mean = train.numbers.mean(0)
    deviation = train.numbers.std(0)
    deviation[deviation < 1e-9] = 1.0  # the same for every image: it stays 0
    standardised = (train.numbers - mean) / deviation
    best = regression(standardised, train.label, 1.0)
    choosing = INVERSE_PENALTIES if has_both_classes(val.label) else ()
    best_auc = -np.inf
    for inverse_penalty in choosing:
        model = regression(standardised, train.label, inverse_penalty)
        value = auc(val.label, model.score((val.numbers - mean) / deviation))
        if value > best_auc:
            best_auc = value
            best = model
    return lambda of_images: best.score((of_images - mean) / deviation)


class Regression(NamedTuple):
    """A fitted logistic regression."""

    weights: np.ndarray  # (F,)
    intercept: float

    def score(self, values: np.ndarray) -> np.ndarray:
        """(n, F) -> (n,) logits."""
        return values @ self.weights + self.intercept


def regression(values: np.ndarray, label: np.ndarray, inverse_penalty: float) -> Regression:
    """The weights w and the intercept b that minimise C sum log(1 + exp(-y (x w + b))) + |w|^2 / 2, with y of -1 and 1.

    ``values`` are x (n, F), ``label`` (n,) of 0 and 1, ``inverse_penalty`` is C. scikit-learn's LogisticRegression
    has the same minimum, and every worker would import it for this alone, which takes a second. Newton's method: its
    steps are halved until the loss falls.
    """
    design = np.column_stack([values, np.ones(len(values))])
    sign = np.where(label == 1, 1.0, -1.0)
    penalty = np.full(design.shape[1], 1 / inverse_penalty)
    penalty[-1] = TINY

    def loss(at: np.ndarray) -> float:
        return np.logaddexp(0, -sign * (design @ at)).sum() + (penalty * at**2).sum() / 2

    solution = np.zeros(design.shape[1])
    for _ in range(MOST_STEPS):
        missed = 0.5 - 0.5 * np.tanh(sign * (design @ solution) / 2)  # probability of the wrong class
        gradient = penalty * solution - design.T @ (sign * missed)
        if np.abs(gradient).max() < CLOSE * len(values):
            break
        curvature = (design.T * (missed * (1 - missed))) @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        before = loss(solution)
        size = 1.0
        while size > SMALLEST_STEP and loss(solution - size * step) > before - size * (gradient @ step) / 10_000:
            size /= 2
        solution = solution - size * step
    return Regression(solution[:-1], float(solution[-1]))


def _log_spectrum(images: np.ndarray) -> np.ndarray:
    """(n, S, S) -> (n, RINGS) log10 of the mean power in each ring; an empty ring has log10 FLOOR."""
    power = np.abs(np.fft.fft2(images, norm="ortho")) ** 2
    membership = _rings(images.shape[-1])
    return np.log10(power.reshape(len(images), len(membership)) @ membership + FLOOR)


@lru_cache(maxsize=4)
def _rings(side: int) -> np.ndarray:
    """(S S, RINGS) float32: the mean over each ring as a matrix; all zeros for a ring without a coefficient."""
    frequency = np.fft.fftfreq(side)  # in cycles per pixel
    radius = np.hypot(frequency[:, None], frequency[None, :]).ravel()
    ring = np.minimum((radius / CORNER * RINGS).astype(int), RINGS - 1)
    membership = (ring[:, None] == np.arange(RINGS)).astype(np.float32)
    return membership / np.maximum(membership.sum(0), 1)


YARDSTICK = of_numbers(numbers, fit)
