"""The planted truth: the label lies in the chosen lines and in no other; a line that does not pass is empty."""

import numpy as np
import pytest

from tune_ks.data.phantom.planted import Plant, lines_of, planted

SIDE = 32
VENDORS = np.array(["GE", "SIEMENS"] * 60)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((len(VENDORS), SIDE, SIDE)).astype(np.float32)


def spectrum(images):
    """(n, S, S) -> (n, S, S) complex lines, DC at S // 2: numpy's FFT, written another way than the module's."""
    return np.roll(np.fft.fft(np.roll(images.astype(np.float64), -SIDE // 2, axis=-1), axis=-1), SIDE // 2, axis=-1)


def test_every_other_line_is_that_of_the_image_and_the_planted_lines_alone_hold_the_label(images):
    plant = Plant(bands=((5, 6), (10, 10)), level=1.0, contrast=1.5)
    result, label = planted(images, VENDORS, plant)
    inside = lines_of(plant.bands, SIDE)
    assert [int(k) - SIDE // 2 for k in np.flatnonzero(inside)] == [-10, -6, -5, 5, 6, 10]
    difference = np.abs(spectrum(result) - spectrum(images))
    assert difference[:, :, ~inside].max() < 1e-4  # float32 images
    energy = (np.abs(spectrum(result)) ** 2).mean(1)
    ratio = energy[label == 1].mean(0) / energy[label == 0].mean(0)
    assert ratio[inside] == pytest.approx(1.5**2, rel=0.15)
    assert sorted(np.bincount(label)) == [60, 60]
    assert result.dtype == np.float32


def test_a_blocked_band_is_empty_in_that_vendor_only(images):
    plant = Plant(bands=((5, 6), (10, 10)), blocked={"GE": ((10, 12),)})
    result, _ = planted(images, VENDORS, plant)
    distance = np.abs(np.arange(SIDE) - SIDE // 2)
    blocked = (distance >= 10) & (distance <= 12)
    energy = np.abs(spectrum(result))[:, :, blocked].max((1, 2))
    assert energy[VENDORS == "GE"].max() < 1e-4
    assert energy[VENDORS == "SIEMENS"].min() > 0.1


def test_the_same_seed_plants_the_same_and_labels_are_of_no_vendor(images):
    first, label = planted(images, VENDORS, Plant(bands=((5, 6),)), seed=3)
    again, same = planted(images, VENDORS, Plant(bands=((5, 6),)), seed=3)
    assert np.array_equal(first, again)
    assert np.array_equal(label, same)
    assert not np.array_equal(label, planted(images, VENDORS, Plant(bands=((5, 6),)), seed=4)[1])
    assert 20 < label[VENDORS == "GE"].sum() < 40


@pytest.mark.parametrize("band", [(0, 3), (6, 5), (10, 16)])
def test_a_band_that_cannot_be_is_refused(images, band):
    with pytest.raises(ValueError, match=f"within 1 to 15 lines of DC, got {band[0]} to {band[1]}"):
        planted(images, VENDORS, Plant(bands=(band,)))
