"""The learned mask against the low-pass: which pairs are compared, by how much they differ, and what is said of it."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from analysis import analyse, print_analysis
from analysis.choice.selection import evidence, with_scores
from analysis.read.configurations import average_over_seeds, choosable
from analysis.read.load import load
from analysis.report.sections import versus_lowpass as section
from analysis.results.read_by_rules import FITTED, OBSERVED, read_table
from analysis.results.versus_info import versus_info
from analysis.results.versus_lowpass import CHANCE, VersusLowpass
from analysis.results.versus_lowpass import versus_lowpass as compared
from analysis.results.versus_lowpass_words import headline, left_out, lines, single_rates, verdict
from analysis.statistics.estimate import estimate
from analysis.statistics.multiple import holm
from analysis.statistics.resampling import trial_draws
from analysis.statistics.training_noise import seeds_of
from synthetic_run import truth, write_run, write_trial
from tune_ks.core.config import TrialConfig
from tune_ks.core.rate_words import rate_words
from tune_ks.core.run_folder import RunFolder

RATES = (0.0625, 0.125, 0.25, 1.0)


def apart(rate, in_domain, mask):
    """Cross-domain the learned mask is far better at every rate; in-domain nothing differs."""
    return 0.8 if in_domain or rate == 1 else (0.85 if mask == "gumbel" else 0.6)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("versus") / "run"
    masks = ("gumbel", "lowpass", "equispaced")
    write_run(root, rates=RATES, seeds=(0, 1), masks=masks, true_auc=apart, patients=24, images=4, source=("GE",))
    return analyse(root, report=False)


def test_every_family_is_compared_with_the_lowpass_of_its_rate(analysis):
    rows = analysis.versus_lowpass.rows
    configurations = analysis.configurations.set_index("configuration")
    draws = analysis.draws
    assert len(rows) == 2 * 3 * 2  # families, rates, domains
    for row in rows.itertuples():
        mine, other = configurations.loc[row.configuration], configurations.loc[row.low_pass]
        assert (other["mask"], other["vendor"], other["sampling_rate"]) == ("lowpass", row.vendor, row.sampling_rate)
        sides = [seeds_of(side["keys"], draws, row.vendor, "test", row.domain) for side in (mine, other)]
        by_hand = estimate(*sides)
        assert row.difference == pytest.approx(by_hand.point) == pytest.approx(row.value - row.low_pass_value)
        assert (row.low, row.high) == pytest.approx(tuple(by_hand.interval()))
        assert (row.p_value < CHANCE) == (row.low > 0 or row.high < 0)
        assert row.in_headline == row.learned == (row.family == "gumbel")
        assert row.seeds == 2
    shown = rows["in_headline"].to_numpy(bool)
    assert rows.loc[shown, "holm"].to_numpy() == pytest.approx(holm(rows.loc[shown, "p_value"].to_numpy()))
    assert rows.loc[~shown, "holm"].isna().all()


def test_a_planted_difference_is_said_and_where_there_is_none_none_is(analysis):
    versus = analysis.versus_lowpass
    assert len(versus.means) == 2
    means = versus.means.set_index(["vendor", "domain"])
    learned = versus.rows[versus.rows["family"] == "gumbel"]
    for domain, part in learned.groupby("domain"):
        assert means.loc[("GE", domain), "difference"] == pytest.approx(part["difference"].mean())
    assert means.loc[("GE", "cross_domain"), "difference"] > 0.1
    words = headline(versus, "GE", "AUC")
    assert words.startswith("GE: the learned mask gumbel beats low-pass cross-domain. gumbel minus low-pass")
    assert "mean over 3 equal rates" in words
    assert versus.absent == {}
    assert "worse" not in " ".join(lines(versus, "AUC"))


def test_intervals_that_leave_out_0_are_counted_beside_what_chance_gives(analysis):
    versus = analysis.versus_lowpass
    of_ge = versus.rows[(versus.rows["vendor"] == "GE") & versus.rows["in_headline"]]
    above, below = (of_ge["low"] > 0).sum(), (of_ge["high"] < 0).sum()
    words = single_rates(versus, "GE")
    assert f"Of 6 intervals of single rates {above + below} leave out 0 ({above} above, {below} below)" in words
    assert "chance alone would give 0.6." in words
    assert "correction for all 6 of this run" in words
    held = of_ge[of_ge["holm"] < CHANCE]
    assert len(held) > 0
    assert all(f"gumbel at {rate_words(row.rate)} " in words for row in held.itertuples())
    assert left_out(of_ge.assign(low=-1.0, high=1.0)).startswith("Of 6 intervals of single rates 0 leave out 0")


def test_a_worse_mask_is_called_worse_and_equal_ones_are_not_separated(analysis):
    of_ge = analysis.versus_lowpass.means
    worse = of_ge.assign(difference=-of_ge["difference"].abs(), holm=0.01)
    assert verdict(worse) == "the learned mask gumbel is worse than low-pass in-domain and cross-domain"
    assert verdict(of_ge.assign(holm=0.5)) == "these data do not separate the learned mask (gumbel) from low-pass"
    assert "unknown" in verdict(of_ge.assign(low=math.nan, high=math.nan, holm=math.nan))


def test_it_is_in_selection_json_on_the_page_and_in_the_terminal(analysis):
    told = lines(analysis.versus_lowpass, "AUC")
    assert len(told) == 1
    held = json.loads(analysis.selection_json.read_text())["versus_lowpass"]
    assert held["sentences"] == told
    assert len(held["rows"]) == len(analysis.versus_lowpass.rows)
    assert held["means"][0]["difference"] == pytest.approx(analysis.versus_lowpass.means["difference"][0], abs=1e-6)
    console = Console(file=io.StringIO(), width=200)
    print_analysis(analysis, console)
    assert all(line in console.file.getvalue() for line in told)
    assert len(section.rows_table(analysis)) == len(analysis.versus_lowpass.rows)
    parts = section.parts(analysis)
    assert sum(getattr(part, "name", "").startswith("versus-") for part in parts) == 2  # tables
    info = versus_info(analysis, "GE")
    assert info.rows["holds"].tolist() == (info.rows["holm"] < CHANCE).tolist()


def compared_in(root):
    run = load(root)
    table = average_over_seeds(run.trials)
    return compared(table, trial_draws(run, 50), {}), table


def test_what_is_missing_is_said_with_what_to_run(tmp_path):
    few = {"vendors": ("GE",), "seeds": (0,), "patients": 8, "images": 2}
    cases = {
        "no low-pass": ({"masks": ("gumbel",), "rates": (0.25, 1.0)}, '"mask": "lowpass"'),
        "no learned": ({"masks": ("lowpass",), "rates": (0.25, 1.0)}, "no learned mask was trained"),
        "nothing": ({"masks": ("lowpass",), "rates": (1.0,)}, "neither a learned mask nor the low-pass"),
    }
    for name, (fields, words) in cases.items():
        versus, _ = compared_in(write_run(tmp_path / name, **few, **fields).root)
        assert words in versus.absent["GE"]
        assert "--run RUN" in versus.absent["GE"]
        assert lines(versus, "AUC") == [versus.absent["GE"]]
        assert versus.means.empty
    folder = write_run(tmp_path / "other rates", **few, masks=("gumbel",), rates=(0.25, 1.0))
    cohort = load(folder.root).cohort
    write_trial(folder, cohort, TrialConfig("GE", 0.5, mask="lowpass"))
    versus, _ = compared_in(folder.root)
    assert "no low-pass was trained at a rate of the learned mask" in versus.absent["GE"]
    assert "the rates 0.25" in versus.absent["GE"]
    write_trial(folder, cohort, TrialConfig("GE", 0.25, mask="lowpass", epochs=7))
    versus, _ = compared_in(folder.root)
    assert versus.rows.empty
    folder = write_run(tmp_path / "other settings", **few, masks=("gumbel",), rates=(0.25, 1.0))
    write_trial(folder, cohort, TrialConfig("GE", 0.25, mask="lowpass", epochs=7))
    assert "trained with other settings (epochs)" in compared_in(folder.root)[0].absent["GE"]


def test_rates_are_equal_where_the_masks_keep_as_much_whatever_was_asked_for(tmp_path):
    folder = write_run(tmp_path, vendors=("GE",), rates=(0.25, 1.0), seeds=(0,), patients=8, images=2)
    record = next(r for r in folder.records() if r.config.mask == "gumbel" and not r.config.is_full)
    folder.write_record(replace(record, realised_rate=record.realised_rate * 1.2))
    versus, _ = compared_in(folder.root)
    assert versus.rows.empty
    folder.write_record(replace(record, realised_rate=record.realised_rate * 1.005))
    versus, _ = compared_in(folder.root)
    assert len(versus.rows) == 2


def test_of_several_settings_at_one_rate_validation_chooses_which_stands_in_the_headline(tmp_path):
    folder = write_run(tmp_path, vendors=("GE",), rates=(0.25, 1.0), seeds=(0,), patients=8, images=2)
    cohort = load(folder.root).cohort
    for temperature in (0.5, 2.0):
        write_trial(folder, cohort, TrialConfig("GE", 0.25, mask="gumbel", temperature=temperature), truth)
    for best in (0.5, 2.0):
        for record in folder.records():
            if record.config.mask == "gumbel" and not record.config.is_full:
                options = record.config.options
                value = 0.9 if options["temperature"] == best else 0.4
                test = {"GE": 1.0 - value}  # what test labels say is the contrary
                folder.write_record(replace(record, val={"GE": value}, test=test, options=record.options))
        versus, table = compared_in(folder.root)
        assert len(versus.rows) == 6
        shown = versus.rows.loc[versus.rows["in_headline"].astype(bool), "configuration"].unique()
        assert table.set_index("configuration").loc[shown, "temperature"].tolist() == [best]


def test_without_scores_of_images_the_difference_stands_without_an_interval(tmp_path):
    folder = write_run(tmp_path, vendors=("GE",), rates=(0.25, 1.0), seeds=(0,), patients=8, images=2)
    for path in folder.root.glob("trials/*/scores.npz"):
        path.unlink()
    versus, _ = compared_in(folder.root)
    known = versus.rows[versus.rows["domain"] == "in_domain"]
    assert known["difference"].tolist() == (known["value"] - known["low_pass_value"]).tolist()
    assert versus.rows[["low", "high", "p_value", "holm"]].isna().all(axis=None)
    assert "no interval can be computed" in headline(versus, "GE", "AUC")


def test_an_empty_run_compares_nothing(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.write_config(TrialConfig("GE", 0.25))
    versus, _ = compared_in(folder.root)
    assert isinstance(versus, VersusLowpass)
    assert lines(versus, "AUC") == []


def test_the_table_of_what_rules_read_is_what_they_read(analysis):
    met = set()
    for computed in analysis.vendors.values():
        table = read_table(computed)
        candidates = with_scores(choosable(computed.configurations), computed.split)
        points = evidence(candidates, computed.fitted[computed.split], None, analysis.measure).points
        place = {name: row for row, name in enumerate(points.configuration)}
        for domain in ("in_domain", "cross_domain"):
            read = np.array([getattr(points, domain)[place[name]] for name in table["configuration"]])
            is_fitted = table[f"{domain}_read"] == FITTED
            values = table[f"{domain}_fitted"].where(is_fitted, table[f"{domain}_observed"])
            assert values.tolist() == pytest.approx(read.tolist())
            assert table[f"{domain}_below_best"].tolist() == pytest.approx((read.max() - read).tolist())
            met |= set(table[f"{domain}_read"])
        epsilon = analysis.options.values["epsilon"]
        by_hand = table.loc[table["in_domain_below_best"] <= epsilon, "rate"].min()
        assert computed.selection.rate == by_hand
        assert computed.selection.read_fitted
    assert met == {FITTED, OBSERVED}
