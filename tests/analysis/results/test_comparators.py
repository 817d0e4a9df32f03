"""Comparators of cross-vendor gain: a planted one that works is found, one that does nothing is not."""

import numpy as np
import pytest

from analysis.choice.options import Options
from analysis.plots.comparators import places, plot_comparators
from analysis.read.load import load
from analysis.report.page import render
from analysis.report.sections import comparators as section
from analysis.results.comparators import lines
from analysis.results.compute import compute
from analysis.results.versus_lowpass import CHANCE
from tests.synthetic_run import make_cohort, write_run, write_trial
from tune_ks.core.config import TrialConfig

PATIENTS = 60


def planted(rate, inside, mask):
    """Full sampling loses 0.2 on another vendor; the low-pass is worse at home and loses as much."""
    return (0.9 if rate == 1 else 0.8) - (0 if inside else 0.2)


def helped(rate, inside, mask):
    """What works loses nothing on another vendor."""
    return 0.9


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("comparators")
    folder = write_run(root, rates=(0.25, 1.0), masks=("lowpass",), patients=PATIENTS, true_auc=planted)
    cohort = make_cohort(("GE", "SIEMENS"), PATIENTS, 6)
    for vendor in ("GE", "SIEMENS"):
        for seed in (3, 4, 5):  # the scores of a made trial depend on its seed, not on its style
            for fields, truth in (({"style": "gamma"}, planted), ({"harmonise": "nyul"}, helped)):
                write_trial(folder, cohort, TrialConfig(vendor, 1.0, mask="lowpass", seed=seed, **fields), truth)
            config = TrialConfig(vendor, 0.25, mask="lowpass", seed=seed, style="gamma", style_strength=0.3)
            write_trial(folder, cohort, config, planted)
    return compute(load(root), "epsilon", Options())


def test_each_is_compared_with_plain_full_sampling_on_the_same_patients(analysis):
    rows = analysis.comparators.rows
    assert set(zip(rows["comparator"], rows["sampling"])) == {
        ("gamma", "full sampling"),
        ("nyul", "full sampling"),
        ("", "lowpass 1/4 (R = 4)"),
        ("gamma", "lowpass 1/4 (R = 4)"),
    }
    trials = analysis.run.trials
    grouped = trials.groupby(["vendor", "harmonise", "style", "sampling_rate"])
    mean = grouped[["test_in_domain", "test_cross_domain"]].mean()
    for row in rows[rows["sampling"] == "full sampling"].itertuples():
        column = f"test_{row.domain}"
        harmonise, style = ("nyul", "none") if row.comparator == "nyul" else ("none", "gamma")
        plain = mean.loc[(row.vendor, "none", "none", 1.0), column]
        assert row.value == pytest.approx(mean.loc[(row.vendor, harmonise, style, 1.0), column], abs=1e-6)
        assert row.difference == pytest.approx(row.value - plain, abs=1e-6)
        assert row.low < row.difference < row.high
    helped_rows = rows[(rows["comparator"] == "nyul") & (rows["domain"] == "cross_domain")]
    assert (helped_rows["holm"] < CHANCE).all()
    same = rows[(rows["comparator"] == "gamma") & (rows["sampling"] == "full sampling")]
    assert (same["holm"] > CHANCE).all()


def test_the_one_that_shrinks_the_transfer_loss_is_named_and_the_loss_is_that_of_its_definition(analysis):
    losses = analysis.comparators.losses
    trials = analysis.run.trials
    for row in losses[losses["sampling"] == "full sampling"].itertuples():
        here = trials[trials["sampling_rate"] == 1]
        setting = {"": ("none", "none"), "gamma": ("none", "gamma"), "nyul": ("nyul", "none")}[row.comparator]
        here = here[(here["harmonise"] == setting[0]) & (here["style"] == setting[1])]
        tested_on = row[losses.columns.get_loc("tested on") + 1]
        trained_on = row[losses.columns.get_loc("trained on") + 1]
        tests = {}
        for source in (tested_on, trained_on):
            keys = here[here["vendor"] == source]["key"]
            tests[source] = np.mean([analysis.run.records[key].test[tested_on] for key in keys])
        at_home, afar = tests[tested_on], tests[trained_on]
        assert row.loss == pytest.approx(at_home - afar, abs=1e-6)
    said = lines(analysis.comparators, "AUC")
    assert len(said) == 2
    for line in said:
        assert "Of 4 comparators and masks these are shown to shrink it after Holm: nyul; nyul has the" in line
    larger = losses.assign(less=-losses["less"].abs(), holm=1.0)
    ending = "none is shown to shrink it, after Holm; the loss of each is at least that of full sampling."
    for line in lines(analysis.comparators._replace(losses=larger), "AUC"):
        assert line.endswith(ending)
    nyul = losses[losses["comparator"] == "nyul"]
    assert (nyul["less"] > 0.1).all()
    assert (nyul["holm"] < CHANCE).all()
    assert (losses[losses["comparator"] == "gamma"]["holm"] > CHANCE).all()


def test_the_section_shows_them_and_is_absent_without_any(analysis, tmp_path):
    text = render(section.parts(analysis))
    assert "nyul" in text
    assert places(analysis.comparators, "GE")[0] == "gamma"
    figure = plot_comparators(analysis.comparators, "GE", analysis.measure)
    drawn = {trace.name: trace for trace in figure.data}
    assert len(drawn["cross-domain"].x) == 4
    holds = dict(zip(drawn["cross-domain"].text, drawn["cross-domain"].marker.symbol))
    assert holds["nyul"] == "circle"
    assert holds["gamma"] == "circle-open"
    one_source = analysis.comparators._replace(losses=analysis.comparators.losses.iloc[:0])
    names = [trace.name for trace in plot_comparators(one_source, "GE", analysis.measure).data]
    assert [name.partition(":")[0] for name in names] == ["in-domain", "cross-domain", "open"]
    write_run(tmp_path, rates=(0.25, 1.0), masks=("lowpass",), patients=10)
    without = compute(load(tmp_path), "epsilon", Options())
    assert without.comparators.rows.empty
    assert section.parts(without) == []
    assert lines(without.comparators, "AUC") == []
