"""Laws of every transform: inverse, energy, DC at radius 0; and the Fourier one against its definition."""

import numpy as np
import pytest
import torch

from tune_ks.record import TrialConfig
from tune_ks.transforms import TRANSFORMS

EVERY = [(name, pattern) for name in TRANSFORMS for pattern in ("lines", "points")]
SIDES = (8, 9, 64)


def build(name, pattern):
    return TRANSFORMS[name](TrialConfig("GE", 0.5, transform=name, pattern=pattern))


@pytest.mark.parametrize(("name", "pattern"), EVERY)
def test_the_inverse_undoes_it_and_the_energy_stays(name, pattern):
    for side in SIDES:
        image = torch.rand(3, 1, side, side, dtype=torch.float64)
        transform = build(name, pattern)
        kspace = transform.forward(image)
        torch.testing.assert_close(transform.inverse(kspace).real, image)
        torch.testing.assert_close(kspace.abs().square().sum(), image.square().sum())


@pytest.mark.parametrize(("name", "pattern"), EVERY)
def test_a_constant_image_is_dc_alone_at_radius_zero(name, pattern):
    for side in SIDES:
        transform = build(name, pattern)
        kspace = transform.forward(torch.ones(2, 1, side, side, dtype=torch.float64)).abs()
        radius = transform.radius(1 if pattern == "lines" else side, side)
        assert (radius == 0).sum() == 1
        away = kspace * (radius > 0)
        assert away.max() < 1e-9
        assert kspace.max() > 1


def test_at_least_one_transform_was_met():
    assert len(EVERY) >= 2


@pytest.mark.parametrize("side", SIDES)
def test_fourier_is_the_centred_orthonormal_sum(side):
    """F[k] = sum_n x[n] exp(-2 pi i (k - c)(n - c) / N) / sqrt(N), with c = N // 2, along each axis."""
    centred = np.arange(side) - side // 2
    matrix = np.exp(-2j * np.pi * np.outer(centred, centred) / side) / np.sqrt(side)
    image = np.random.default_rng(side).random((2, 1, side, side))
    points = build("fourier", "points").forward(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(points, matrix @ image @ matrix.T, atol=1e-12)
    lines = build("fourier", "lines").forward(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(lines, image @ matrix.T, atol=1e-12)


def test_the_transform_does_not_mix_the_batch():
    image = torch.rand(4, 1, 16, 16)
    for pattern in ("lines", "points"):
        transform = build("fourier", pattern)
        together = transform.forward(image)
        alone = torch.cat([transform.forward(image[i : i + 1]) for i in range(4)])
        torch.testing.assert_close(together, alone)
