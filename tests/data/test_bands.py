"""The occupied band of a cohort by vendor and series, and the line that is printed."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tune_ks.commands import about_cohort
from tune_ks.data.occupied import Band, band_radius, line_energy, occupied_bands

SIDE = 32


def images_within(reach, count, rng):
    """Real images whose k-space ends at the line |k| = ``reach``."""
    k = np.abs(np.fft.fftfreq(SIDE, 1 / SIDE))
    kspace = np.fft.fft(rng.standard_normal((count, SIDE, SIDE)), axis=-1) * (k <= reach)
    return np.fft.ifft(kspace, axis=-1).real.astype(np.float32)


@pytest.fixture
def cohort(tmp_path):
    rng = np.random.default_rng(0)
    pixels = np.concatenate([images_within(5, 6, rng), images_within(15, 4, rng), images_within(8, 3, rng)])
    about = [("GE", "post_1", 0.5)] * 6 + [("SIEMENS", "post_1", np.nan)] * 4 + [("GE", "pre", 1.0)] * 3
    table = pd.DataFrame(about, columns=["vendor", "series", "spacing_mm"])
    table.loc[12, "spacing_mm"] = 0.8
    np.save(tmp_path / "images.npy", pixels)
    return table.assign(row=np.arange(13)), tmp_path / "images.npy"


def test_each_vendor_and_series_has_the_band_of_its_images(cohort):
    bands = {(band.vendor, band.series): band for band in occupied_bands(*cohort)}
    assert {key: band.reach for key, band in bands.items()} == {
        ("GE", "post_1"): 5,
        ("GE", "pre"): 8,
        ("SIEMENS", "post_1"): 15,
    }
    assert bands["GE", "post_1"].share == 11 / SIDE
    assert bands["GE", "post_1"].sentence() == (
        "k-space of GE (post_1): 99% of the energy beyond DC lies within |k| <= 5 of 16 lines, 34% of the stored "
        "lines; k_max 0.312 of 1 1/mm; the lines beyond are (nearly) empty, so a rate is no share of acquired k-space"
    )
    of_coils = bands["GE", "post_1"]._replace(of_coils=True).sentence()
    assert of_coils.endswith("1 1/mm; the lines beyond hold the other 1%, and a rate counts them all the same")
    assert "k_max 0.25 to 0.312 of 0.5 to 0.625 1/mm" in bands["GE", "pre"].sentence()
    of_siemens = bands["SIEMENS", "post_1"].sentence()
    assert of_siemens.endswith("97% of the stored lines; pixel spacing unknown, so k_max is not known in 1/mm")


def test_the_energy_of_a_line_is_that_of_its_cosine():
    x = np.arange(SIDE)
    pixels = np.tile(2 + np.cos(2 * np.pi * 3 * x / SIDE), (1, SIDE, 1))
    energy = line_energy(pixels, np.array([0]))
    assert energy[SIDE // 2] == pytest.approx(4 * SIDE)
    assert energy[[SIDE // 2 - 3, SIDE // 2 + 3]] == pytest.approx([SIDE / 4] * 2)
    assert energy.sum() == pytest.approx(4 * SIDE + SIDE / 2)
    assert band_radius(energy, np.abs(x - SIDE // 2).astype(float)) == 3


def test_one_line_is_printed_for_each_vendor_and_series(cohort, monkeypatch):
    said = []
    monkeypatch.setattr(about_cohort, "say", lambda text, style=None: said.append((text[:22], style)))
    about_cohort.say_bands(SimpleNamespace(table=cohort[0], images=cohort[1]))
    assert said == [
        ("k-space of GE (post_1)", "yellow"),
        ("k-space of GE (pre): 9", "yellow"),
        ("k-space of SIEMENS (po", None),
    ]
    assert Band("GE", "", 0.5, 8, SIDE, None).sentence().startswith("k-space of GE: 99%")
