"""Metrics that are known to be true, as functions of the sampling rate, for simulated searches.

The smooth ones are like those of the real patches (docs/results.md), or of the source study's Table 1. The others are
made for proofs of non-inferiority: at, above or below its margin.
"""

import numpy as np

from analysis.choice.noninferior import MARGIN

PATCH_RATES = np.array([1, 2, 4, 8, 16, 32, 64]) / 64
TABLE_RATES = np.array([38, 62, 91, 127, 154, 170, 182, 206, 227, 256]) / 256


def patches_in(rate: np.ndarray) -> np.ndarray:
    """Like GE post_1: 0.02 below the best at 4/64."""
    return 0.83 - 0.06 * 2 ** (-24 * rate)


def patches_cross(rate: np.ndarray) -> np.ndarray:
    """The same, steeper."""
    return 0.85 - 0.09 * 2 ** (-24 * rate)


def table_in(rate: np.ndarray) -> np.ndarray:
    """Like GE in Table 1: rises to 0.24, then level."""
    return 0.893 - 0.436 * 2 ** (-20 * rate)


def table_cross(rate: np.ndarray) -> np.ndarray:
    """Like GE in Table 1: best at the lowest rate, then level, better again at 1."""
    return 0.61 + 0.6 * 2 ** (-20 * rate) + 0.045 * rate**8


def flat(rate: np.ndarray) -> np.ndarray:
    """Every rate is as good as full sampling."""
    return np.full(len(rate), 0.83)


def at_margin(rate: np.ndarray) -> np.ndarray:
    """Every rate is a little worse than the margin allows, so every proof is false."""
    return np.where(rate < 1, 0.83 - MARGIN - 1e-6, 0.83)


def sloped(rate: np.ndarray) -> np.ndarray:
    """Smoothly worse, by the margin at a rate of 0.5."""
    return 0.83 + 1.001 * MARGIN * np.log2(rate)


def jump(rate: np.ndarray) -> np.ndarray:
    """Every rate below 1 is worse, by more than the margin."""
    return np.where(rate < 1, 0.83 - 1.5 * MARGIN, 0.83)


def kink(rate: np.ndarray) -> np.ndarray:
    """Level down to 0.3, then worse by twice the margin an octave."""
    return 0.83 + 2 * MARGIN * np.minimum(np.log2(rate / 0.3), 0)


def rising(rate: np.ndarray) -> np.ndarray:
    """Lower rates are better, down to an eighth."""
    return 0.83 - 0.01 * np.maximum(np.log2(rate), -3)
