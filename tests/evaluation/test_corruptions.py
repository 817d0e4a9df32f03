"""Laws of every corruption, their definitions by hand, and the scores of corrupted images."""

import math

import numpy as np
import pytest
import torch

from tune_ks.training.corruptions import CORRUPTIONS
from tune_ks.training.corruptions.base import SEVERITIES, corrupted, kspace, magnitude
from tune_ks.training.corruptions.bias_field import corrupt as bias_field
from tune_ks.training.corruptions.ghosting import corrupt as ghosting
from tune_ks.training.corruptions.gibbs import corrupt as gibbs
from tune_ks.training.corruptions.motion import corrupt as motion
from tune_ks.training.corruptions.spike import corrupt as spike

NAMES = sorted(CORRUPTIONS)


def images(count=3, side=32):
    """Smooth blobs in [0, 1]."""
    y, x = np.mgrid[:side, :side]
    rng = np.random.default_rng(0)
    slices = [
        sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 20) for a, b in rng.uniform(8, side - 8, (4, 2)))
        for _ in range(count)
    ]
    slices = np.array(slices) / np.max(slices, axis=(1, 2), keepdims=True)
    return torch.from_numpy(np.float32(slices))[:, None]


def test_the_seven_were_met():
    assert NAMES == ["bias_field", "blur", "ghosting", "gibbs", "motion", "rician", "spike"]


@pytest.mark.parametrize("name", NAMES)
def test_severity_zero_is_the_image_and_each_one_above_is_worse(name):
    image, rows = images(), [5, 6, 7]
    assert corrupted(CORRUPTIONS[name], 0, image, rows) is image
    worse = [corrupted(CORRUPTIONS[name], severity, image, rows) for severity in range(1, SEVERITIES + 1)]
    for changed in worse:
        assert changed.shape == image.shape
        assert changed.dtype == torch.float32
        assert changed.min() >= 0
        assert changed.max() <= 1
    away = [float((changed - image).square().mean()) for changed in [image, *worse]]
    assert np.diff(away).min() > 0
    assert away[-1] > 4 * away[1]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_suffers_the_same_whatever_stands_beside_it(name):
    image, corruption = images(), CORRUPTIONS[name]
    together = corrupted(corruption, 3, image, [5, 6, 7])
    assert torch.equal(together[1:2], corrupted(corruption, 3, image[1:2], [6]))
    if name in ("motion", "rician", "bias_field", "spike"):
        assert not torch.equal(together[1:2], corrupted(corruption, 3, image[1:2], [8]))


def test_a_severity_that_is_none_is_refused():
    with pytest.raises(ValueError, match="severity must be from 0 to 5, got 6"):
        corrupted(CORRUPTIONS["blur"], 6, images(), [0, 1, 2])


def test_kspace_and_magnitude_undo_each_other_with_dc_at_the_centre():
    image = images()[0]
    torch.testing.assert_close(magnitude(kspace(image)), image, atol=1e-6, rtol=0)
    flat = kspace(torch.ones(1, 8, 8)).abs()
    assert flat[0, 4, 4] == 8
    assert flat.sum() == 8


def test_ghosting_is_a_weaker_copy_half_a_field_of_view_away():
    image = images()[0]
    copy = image.roll(image.shape[-1] // 2, -1)
    torch.testing.assert_close(ghosting(image, 0.4, 0), 0.8 * image + 0.2 * copy, atol=1e-6, rtol=0)


def test_motion_is_lines_of_shifted_images():
    """Twin: whole-pixel positions, each segment's lines taken from the k-space of the rolled image."""
    image, seed = images(1)[0], 3
    side = image.shape[-1]
    moved = np.random.default_rng(seed).normal(size=(8, 2)) * 0.05 * side
    moved[4] = 0  # the segment of DC
    spectrum = np.fft.fftshift(np.fft.fft2(image[0].numpy()))
    k = np.arange(side) - side // 2
    for column in range(side):
        down, across = moved[column * 8 // side]
        spectrum[:, column] *= np.exp(-2j * np.pi * (k * down + k[column] * across) / side)
    expected = np.abs(np.fft.ifft2(np.fft.ifftshift(spectrum)))
    np.testing.assert_allclose(motion(image, 0.05, seed)[0], expected, atol=1e-5)
    torch.testing.assert_close(motion(image, 0.0, seed), image, atol=1e-6, rtol=0)


def test_rician_noise_of_nothing_is_rayleigh():
    black = torch.zeros(4, 1, 64, 64)
    noise = corrupted(CORRUPTIONS["rician"], 3, black, [0, 1, 2, 3])
    strength = CORRUPTIONS["rician"].strengths[2]
    assert noise.mean().item() == pytest.approx(strength * math.sqrt(math.pi / 2), rel=0.02)


def test_ghosting_is_torchios_only_where_half_the_width_is_odd():
    """torchio's Ghosting with two ghosts: every second column from index 0 is weaker, that of DC is restored."""
    for side, equal in ((34, True), (32, False)):
        image = images(1, side)[0]
        column = torch.arange(side)
        weaker = (column % 2 == 0) & (column != side // 2)
        theirs = magnitude(torch.where(weaker, 0.6 * kspace(image), kspace(image)))
        assert torch.allclose(ghosting(image, 0.4, 0), theirs, atol=1e-5) == equal


def test_a_bias_field_is_smooth_and_a_factor_that_makes_nothing_brighter():
    flat = torch.full((1, 32, 32), 0.2)
    for seed in range(20):
        field = (bias_field(flat, 0.6, seed) / 0.2).log()[0]  # a flat image has no percentiles to be scaled to
        assert field.mean().item() == pytest.approx(0, abs=1e-5)
        assert field.std() > 0.05
        assert field.diff(dim=0).abs().max() < 0.6  # of neighbours; strength times the slope of the polynomials
        coefficients = np.polynomial.legendre.legvander2d(*np.meshgrid(*[np.linspace(-1, 1, 32)] * 2), (3, 3))
        fitted = np.linalg.lstsq(coefficients.reshape(-1, 16), field.T.reshape(-1).numpy(), rcond=None)[0].reshape(4, 4)
        assert np.abs(fitted[np.add.outer(range(4), range(4)) > 3]).max() < 1e-3
    image = images(1)[0]
    worse = bias_field(image, 0.6, 3)
    np.testing.assert_allclose(np.percentile(worse, (1, 99)), np.percentile(image, (1, 99)), atol=1e-5)


def test_gibbs_cuts_a_disc_about_dc_and_shows_the_magnitude():
    """The twin, in numpy; about (N - 1) / 2 the image would not be real."""
    image = images(1)[0]
    k = np.arange(32) - 16
    kept = k[:, None] ** 2 + k[None] ** 2 <= 32  # ((1 - 0.75) * 32) ** 2 / 2, (4, 4) on its edge
    spectrum = np.fft.fftshift(np.fft.fft2(image[0].numpy())) * kept
    cut = np.fft.ifft2(np.fft.ifftshift(spectrum))
    assert np.abs(cut.imag).max() < 1e-6
    np.testing.assert_allclose(gibbs(image, 0.75, 0)[0], np.abs(cut), atol=1e-6)


def test_a_spike_is_one_coefficient_and_its_magnitude_is_shown():
    image = images(1)[0]
    spectrum = np.fft.fft2(image[0].numpy())
    rng = np.random.default_rng(7)
    row, column = (int((-1) ** rng.integers(2) * rng.integers(2, 8)) for _ in range(2))
    spectrum[row, column] *= 0.4 * abs(spectrum[0, 0]) / abs(spectrum[row, column])
    np.testing.assert_allclose(spike(image, 0.4, 7)[0], np.abs(np.fft.ifft2(spectrum)), atol=1e-4)


def test_blur_is_scipys_gaussian():
    ndimage = pytest.importorskip("scipy.ndimage")
    image = images(1)
    blurred = corrupted(CORRUPTIONS["blur"], 5, image, [0])[0, 0]
    expected = ndimage.gaussian_filter(image[0, 0].numpy(), 0.06 * 32, mode="constant", truncate=4)
    np.testing.assert_allclose(blurred, expected, atol=0.01)
