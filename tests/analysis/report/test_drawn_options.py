"""The knob over an option that one training drew: its stops, images and numbers; absent where nothing was drawn."""

import dataclasses
import json
import re

import pytest

from analysis import analyse
from analysis.read.configurations import rows_of_curves
from analysis.report.page import render
from analysis.report.sections import drawn_options
from analysis.results.drawn_options import APART, TOGETHER, series_of
from synthetic_run import make_cohort, write_run, write_trial
from tune_ks.core.config import TrialConfig
from tune_ks.training.members import config_from, option_values

COLUMN = "reconstruction.loss_mix"
MIXES = {"uniform": (0.0, 0.5, 1.0), "fixed": (0.0, 1.0)}
MIXED = {"vendor": "GE", "sampling_rate": 0.125, "mask": "lowpass", "reconstruction": "hyper_recon"}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn")
    folder = write_run(root, rates=(0.125, 1.0), seeds=(0,), masks=("lowpass",), patients=12, source=("GE",))
    cohort = make_cohort(("GE", "SIEMENS"), 12, 6)
    for drawn, mixes in MIXES.items():
        for mix in mixes:
            for seed in (0, 1):
                values = {"loss_mix": mix, "loss_mix_drawn": drawn, "reconstruction_weight": 1.0, "seed": seed}
                config: TrialConfig = config_from({**MIXED, **values})
                record = write_trial(folder, cohort, config, lambda rate, inside, mask, mix=mix: 0.7 + 0.1 * mix)
                measured = {"psnr": 20 + mix + seed, "psnr_zero_filled": 19.5, "ssim": 0.6, "ssim_zero_filled": 0.55}
                quality = dict.fromkeys(("GE", "SIEMENS"), measured)
                folder.write_record(dataclasses.replace(record, quality=quality, options=option_values(config)))
    return analyse(root, report=False)


def test_mixes_are_different_configurations_on_different_curves(analysis):
    table = analysis.vendors["GE"].configurations
    mixed = table[table["reconstruction"] == "hyper_recon"]
    assert len(mixed) == 5
    assert set(mixed["seeds"]) == {2}
    curves = rows_of_curves(table)
    assert sum("loss mix 1" in name for name in curves) == 2
    for rows in curves.values():
        below = table.iloc[rows][~table.iloc[rows]["full"].astype(bool)]
        assert len(below) == 1


def test_each_series_has_its_mixes_in_order_with_their_own_numbers(analysis):
    together, apart = series_of(analysis, "GE", COLUMN)
    assert together.name.startswith(TOGETHER)
    assert apart.name.startswith(APART)
    assert [stop.value for stop in together.stops] == list(MIXES["uniform"])
    assert [stop.value for stop in apart.stops] == list(MIXES["fixed"])
    table = analysis.vendors["GE"].configurations
    for stop in (*together.stops, *apart.stops):
        assert stop.quality["SIEMENS"]["psnr"] == pytest.approx(20.5 + stop.value)  # mean over the seeds
        (row,) = (row for row in table.to_dict("records") if stop.exhibit.key in row["keys"])
        assert row[COLUMN] == stop.value
        assert stop.exhibit.values["test_in_domain"] == row["test_in_domain"]


def test_the_knob_shows_images_likeness_and_both_metrics_of_every_mix(analysis):
    html = render(drawn_options.parts(analysis))
    states = json.loads(re.search(r'class="states">(.*?)</script>', html, re.DOTALL)[1])
    together, apart = states.values()
    assert [state["name"].split(",")[0] for state in together] == ["loss mix 0", "loss mix 0.5", "loss mix 1"]
    assert [state["name"].split(",")[0] for state in apart] == ["loss mix 0", "loss mix 1"]
    for state in (*together, *apart):
        assert state["in_domain"]["text"].startswith("test AUC 0.")
        assert state["cross_domain"]["value"] is not None
        assert "GE test images: PSNR 2" in state["likeness"]
        assert "zero-filled 19.50" in state["likeness"]
        assert len(state["images"]) == 4
        assert all(f'id="{name}"' in html for name in state["images"])
    assert 'aria-label="loss mix"' in html
    assert 'class="strip' not in html  # the mask is the same at every stop


def test_it_is_absent_where_no_option_was_drawn_and_without_images_on_request(analysis):
    table = analysis.configurations
    separate = table[table["reconstruction.loss_mix_drawn"] != "uniform"]
    assert 0 < len(separate) < len(table)
    assert not drawn_options.parts(dataclasses.replace(analysis, configurations=separate))
    html = render(drawn_options.parts(dataclasses.replace(analysis, images=False)))
    assert 'id="knob-loss-mix-GE"' in html
    assert "image-loss-mix-GE" not in html
    assert "data:image" not in html
