"""The occupied band on images whose k-space is known, and the kept lines outside it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tune_ks.data.occupied import band_radius
from tune_ks.evaluation.occupied import mean_energy, occupied_band
from tune_ks.model.transforms import TRANSFORMS

SIDE = 16


def images_of(lines, seed=0):
    """Real noise images of which only the lines |k| in ``lines`` are kept, with equal energy each, and DC."""
    rng = np.random.default_rng(seed)
    k = np.abs(np.fft.fftfreq(SIDE, 1 / SIDE))
    kspace = np.fft.fft(rng.standard_normal((6, SIDE, SIDE)), axis=-1) * np.isin(k, [0, *lines])
    images = torch.from_numpy(np.fft.ifft(kspace, axis=-1).real.astype(np.float32))[:, None]

    class Few:
        side = SIDE

        def __len__(self):
            return len(images)

        def gather(self, index):
            return SimpleNamespace(image=images[index])

    return Few()


@pytest.mark.parametrize("lines", [[1, 2, 3], [5], [7]])
def test_the_band_ends_at_the_last_line_that_holds_energy(lines):
    transform = TRANSFORMS["fourier"].build(axes=(-1,))
    mask = np.zeros(SIDE, bool)
    mask[[0, 1, 8, 15]] = True  # k = -8, -7, 0, 7
    band = occupied_band(mean_energy(images_of(lines), transform, 1), transform.radius(1, SIDE), mask)
    assert band.share == (2 * max(lines) + 1) / SIDE
    assert band.kept_outside == sum(abs(k) > max(lines) for k in (-8, -7, 0, 7))


def test_images_without_anything_beyond_dc_occupy_dc_alone():
    transform = TRANSFORMS["fourier"].build(axes=(-1,))
    distance = transform.radius(1, SIDE).numpy()
    energy = np.where(distance == 0, 5.0, 0.0)
    assert band_radius(energy, distance) == 0.0


def test_of_points_the_band_is_a_disc():
    transform = TRANSFORMS["fourier"].build(axes=(-2, -1))
    distance = transform.radius(SIDE, SIDE).numpy()
    energy = (distance <= 5).astype(float)
    reach = band_radius(energy, distance)
    inside = energy[(distance > 0) & (distance <= reach)].sum()
    total = energy[distance > 0].sum()
    assert inside >= 0.99 * total
    assert energy[(distance > 0) & (distance < reach)].sum() < 0.99 * total


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_has_a_band(name):
    for axes, rows in (((-1,), 1), ((-2, -1), SIDE)):
        transform = TRANSFORMS[name].build(axes=axes)
        radius = transform.radius(rows, SIDE)
        mask = np.ones(radius.shape, bool).squeeze(0) if rows == 1 else np.ones(radius.shape, bool)
        band = occupied_band(mean_energy(images_of([1, 2, 3]), transform, rows), radius, mask)
        assert 0 < band.share <= 1
        assert band.kept_outside == round((1 - band.share) * radius.numel())
