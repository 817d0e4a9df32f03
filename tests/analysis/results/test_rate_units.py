"""A rate as k_max in 1/mm and as a share of the occupied band: by hand, and unknown where it is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.choice.options import Options
from analysis.read.load import load
from analysis.report.page import render
from analysis.report.sections import configurations as section
from analysis.report.sections import curves, front
from analysis.results.compute import compute
from analysis.results.rate_units import RateUnit, in_units, rate_units, with_rate_units
from synthetic_run import WIDTH, write_run


@pytest.fixture
def folder(tmp_path):
    """GE: 0.5 mm a pixel and a band of 0.4; SIEMENS: neither is known."""
    folder = write_run(tmp_path / "run", rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=8, images=2)
    for record in folder.records():
        share = {"occupied_share": 0.4} if record.config.vendor == "GE" else {}
        folder.write_record(replace(record, facts={"side": WIDTH, **share}))
    cohort = pd.read_csv(folder.cohort_csv)
    cohort["spacing_mm"] = np.where(cohort["vendor"] == "GE", 0.5, np.nan)
    cohort.to_csv(folder.cohort_csv, index=False)
    return folder


def test_both_units_are_those_by_hand_and_the_unknown_ones_are_named(folder):
    analysis = compute(load(folder.root), "epsilon", Options())
    table = with_rate_units(analysis.run, analysis.configurations).set_index(["vendor", "realised_rate"])
    assert table["k_max_per_mm"]["GE"].to_dict() == {0.25: 0.25, 1.0: 1.0}  # Nyquist: 1 / (2 x 0.5 mm)
    assert table["share_of_band"]["GE"].to_dict() == pytest.approx({0.25: 0.625, 1.0: 2.5})
    assert table.loc["SIEMENS", ["k_max_per_mm", "share_of_band"]].isna().all(axis=None)
    assert in_units(analysis.run, "GE", 0.25) == "Rate 1/4 (R = 4) of GE: k_max 0.25 1/mm, 0.62 of the occupied band."
    assert in_units(analysis.run, "SIEMENS", 0.25) == ""
    assert rate_units(analysis.run, "SIEMENS").notes == [
        "SIEMENS: the pixel spacing is unknown, so k_max is not known in 1/mm.",
        "SIEMENS: these records do not say how much of stored k-space is occupied.",
    ]
    assert "k max per mm" in render(section.parts(analysis))
    assert curves.about_units(analysis).startswith("The buttons below an axis show the rate in other units")
    without_spacing = analysis.run.cohort.assign(spacing_mm=np.nan)
    without_band = {key: replace(record, facts={}) for key, record in analysis.run.records.items()}
    without = replace(analysis, run=replace(analysis.run, cohort=without_spacing, records=without_band))
    assert curves.about_units(without).startswith("GE: the pixel spacing is unknown")  # and there is no button
    assert "of GE: k_max" in render(front.texts(analysis, analysis.vendors["GE"]))


def test_points_have_the_radius_of_a_disc_and_images_of_two_sizes_no_spacing(folder):
    run = load(folder.root)
    for key, record in run.records.items():
        run.records[key] = replace(record, config=replace(record.config, pattern="points"))
    run.trials["pattern"] = "points"
    (k_max, _) = rate_units(run, "GE").units
    rate = 0.25  # a disc of this area, in a square of side 2 (from -Nyquist to Nyquist)
    assert k_max.of(pd.Series([rate]))[0] == pytest.approx(np.sqrt(4 * rate / np.pi))
    key = next(key for key, record in run.records.items() if record.config.vendor == "GE")
    run.records[key] = replace(run.records[key], facts={"side": 16})
    assert [unit.name for unit in rate_units(run, "GE").units] == ["share_of_band"]
    run.trials["transform"] = "hadamard"
    assert rate_units(run, "GE").units == []


def test_ticks_are_round_values_within_the_axis():
    for unit in (RateUnit("x", "x", "x", 0.625), RateUnit("x", "x", "x", 2.5, 0.5)):
        places, texts = unit.ticks(1 / 32)
        assert len(places) >= 3
        assert 1 / 32 * 0.75 < min(places) < max(places) < 1.3
        assert unit.of(pd.Series(places)).tolist() == pytest.approx([float(text) for text in texts])
