"""The percentiles of pixels against numpy's, to the last bit."""

import numpy as np
import pytest

from tune_ks.data.cohort.percentiles import SMALLEST, percentiles

RNG = np.random.default_rng(0)
SHARES = (0.0, 1.0, 25.0, 33.3, 50.0, 75.0, 90.0, 99.0, 100.0)
NORMAL = RNG.normal(0, 300, 20_000)
VALUES = {
    "whole numbers with many ties": np.abs(NORMAL).astype(np.uint16),
    "between 0 and 1": RNG.random((173, 171)),
    "clipped": np.clip(NORMAL / 100, 0, 1),
    "all equal": np.full(10_000, 0.1),
    "tiny and huge": 10.0 ** RNG.uniform(-44, 38, 30_001),
    "minus zero": np.where(NORMAL > 0, NORMAL, -0.0),
    "negative": NORMAL,
    "few": NORMAL[: SMALLEST - 1] ** 2,
    "as few as are binned": NORMAL[:SMALLEST] ** 2,
    "not a number": np.where(NORMAL > 900, np.nan, NORMAL**2),
    "infinite": np.where(NORMAL > 600, np.inf, NORMAL**2),
}


@pytest.mark.parametrize("name", VALUES)
def test_they_are_numpys(name):
    values = VALUES[name].astype(np.float32)
    with np.errstate(invalid="ignore"):  # between two infinities numpy finds no number
        expected = np.percentile(values, SHARES)
        np.testing.assert_array_equal(percentiles([values[:5000], values[5000:]], SHARES), expected)


@pytest.mark.parametrize("seed", range(20))
def test_they_are_numpys_at_any_share_and_size(seed):
    rng = np.random.default_rng(seed)
    values = rng.gamma(rng.uniform(0.1, 3), 400, rng.integers(SMALLEST, 70_000)).astype(np.float32)
    shares = list(rng.uniform(0, 100, 9))
    images = np.split(values, sorted(rng.integers(0, len(values), 4)))
    assert percentiles(images, shares) == np.percentile(values, shares).tolist()
