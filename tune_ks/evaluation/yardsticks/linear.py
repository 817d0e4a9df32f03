"""A linear yardstick: logistic regression on 35 numbers of an image.

    13  quantiles of the pixels                            the histogram
     2  mean |x(i, j + 1) - x(i, j)|, along each axis      sharpness
     1  standard deviation of the pixels                   contrast
    19  log10 of the mean power of |F x|^2 in rings        texture, by spatial frequency

The rings have equal width from DC to the corner of k-space, both frequencies at Nyquist. On the breast patches the
rings beyond Nyquist count: without them the AUC falls from 0.836 to 0.805 (GE, mean of six splits).

The regression is minimised with scipy, as LogisticRegression of scikit-learn does it and with its settings: the weights
are the same, and importing scikit-learn would cost every worker of a search a second.
"""

from functools import lru_cache

import numpy as np

from tune_ks.core.metrics import auc
from tune_ks.evaluation.yardsticks.base import Labelled, Scores, Yardstick

QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
RINGS = 19
CORNER = 0.5 * 2**0.5  # cycles per pixel: Nyquist, 0.5, along both axes
FLOOR = 1e-6  # mean power below which a ring counts as empty: float32 rounding of an unsampled line stays below it
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


def fit(train: Labelled, val: Labelled) -> Scores:
    """Logistic regression on standardised numbers; the penalty has the best AUC on the validation images.

    Of equal penalties the strongest is taken. Without both classes in validation the penalty is C = 1.
    """
    mean = train.numbers.mean(0)
    deviation = train.numbers.std(0)
    deviation[deviation < 1e-9] = 1.0  # the same for every image: it stays 0
    standardised = (train.numbers - mean) / deviation
    best = _regression(standardised, train.label, 1.0)
    choosing = INVERSE_PENALTIES if len(np.unique(val.label)) == 2 else ()
    best_auc = -np.inf
    for inverse_penalty in choosing:
        weights = _regression(standardised, train.label, inverse_penalty)
        value = auc(val.label, _scores(weights, (val.numbers - mean) / deviation))
        if value > best_auc:
            best_auc = value
            best = weights
    return lambda of_images: _scores(best, (of_images - mean) / deviation)


def _regression(numbers: np.ndarray, label: np.ndarray, inverse_penalty: float) -> np.ndarray:
    """(n, 35) and (n,) of 0 and 1 -> (36,) the weights w and, last, the intercept b of the logistic regression.

    With s = numbers w + b, they minimise  mean(log(1 + exp(s)) - label s) + |w|^2 / (2 C n)  for C ``inverse_penalty``.
    """
    from scipy.optimize import minimize  # a third of a second to import: once a process, when a first trial ends

    strength = 1 / (inverse_penalty * len(label))

    def value_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
        score = _scores(weights, numbers)
        loss = np.mean(np.logaddexp(0, score) - label * score)
        residual = (0.5 + 0.5 * np.tanh(score / 2) - label) / len(label)  # the logistic function less the label
        slope = numbers.T @ residual + strength * weights[:-1]
        return loss + strength / 2 * weights[:-1] @ weights[:-1], np.append(slope, residual.sum())

    options = {"maxiter": 1000, "maxls": 50, "gtol": 1e-4, "ftol": 64 * np.finfo(float).eps}
    start = np.zeros(numbers.shape[1] + 1)
    return minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).x


def _scores(weights: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(36,) and (n, 35) -> (n,) log-odds."""
    return numbers @ weights[:-1] + weights[-1]


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


YARDSTICK = Yardstick(numbers, fit)
