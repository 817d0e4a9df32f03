"""FROC against plain loops, with ties, misses and images of few candidates."""

import math

import numpy as np
import pytest

from tune_ks.core.metrics import FALSE_POSITIVES, sensitivity_at
from tune_ks.evaluation.froc import sensitivities


def slow_sensitivity(label, logit, hit, most):
    """The highest sensitivity of any threshold with at most ``most`` false positives an image."""
    best = 0.0
    for threshold in {value for value in logit.flatten().tolist() if not math.isnan(value)}:
        found = false = 0
        for of_image, hits in zip(logit, hit, strict=True):
            called = [value >= threshold for value in of_image]
            found += any(c and h for c, h in zip(called, hits))
            false += sum(c and not h for c, h in zip(called, hits))
        if false / len(label) <= most:
            best = max(best, found / sum(label == 1))
    return best


@pytest.mark.parametrize("count", [1, 3, 5])
def test_the_sensitivities_are_those_of_plain_loops(count):
    ends = set()
    for number in range(8):
        rng = np.random.default_rng([count, number])
        label = np.r_[1, rng.integers(0, 2, 11)].astype(float)
        logit = np.round(rng.normal(0, 2, (12, count)), 0 if number % 2 else 3)
        logit = -np.sort(-logit, axis=1)
        logit[rng.random((12, count)) < 0.1 * (np.arange(count) > 0)] = np.nan
        hit = (rng.random((12, count)) < 0.3) & (label == 1)[:, None] & ~np.isnan(logit)
        at = sensitivities(label, {"logit": logit, "hit": hit})
        for words, most in FALSE_POSITIVES.items():
            assert at[sensitivity_at(words)] == pytest.approx(slow_sensitivity(label, logit, hit, most))
        ends.add(at[sensitivity_at("8")])
    assert len(ends) > 3


def test_every_candidate_counts_also_the_lowest():
    """MONAI's curve begins above the lowest threshold."""
    only = {"logit": np.array([[1.0], [0.0]]), "hit": np.array([[False], [True]])}
    at = sensitivities(np.ones(2), only)
    assert [at[sensitivity_at(words)] for words in FALSE_POSITIVES] == [0, 0, 0.5, 0.5, 0.5, 0.5, 0.5]


def test_without_a_tumour_or_without_numbers_there_is_no_sensitivity():
    nothing = {"logit": np.zeros((2, 1)), "hit": np.zeros((2, 1), bool)}
    assert all(math.isnan(value) for value in sensitivities(np.zeros(2), nothing).values())
    diverged = {"logit": np.full((2, 1), np.nan), "hit": np.zeros((2, 1), bool)}
    assert all(math.isnan(value) for value in sensitivities(np.ones(2), diverged).values())
