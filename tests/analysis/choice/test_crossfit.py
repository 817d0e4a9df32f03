import json
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from analysis import RunError, analyse, print_analysis
from analysis.__main__ import parse
from analysis.choice.crossfit import cross_fit, score_halves, split_in_halves
from analysis.choice.options import Options
from analysis.read.configurations import average_over_seeds
from analysis.read.load import load
from analysis.read.trial_arrays import image_scores
from synthetic_run import make_cohort, write_run
from tune_ks.core.metrics import auc

RATES = (0.0625, 0.25, 1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("crossfit") / "run"
    write_run(root, rates=RATES, seeds=(0, 1), masks=("gumbel",), patients=24, source=("GE",))
    return load(root)


def test_halves_share_no_patient_and_halve_every_kind():
    images = make_cohort(("GE",), 21, 4)[["patient_id", "label"]]
    for name, label in (("PHANTOM_GE_000", 0), ("PHANTOM_GE_001", 0), ("PHANTOM_GE_002", 1), ("PHANTOM_GE_003", 1)):
        images.loc[images["patient_id"] == name, "label"] = label
    halves = split_in_halves(images, 6, "GE")
    assert halves.shape == (12, 21)
    assert (halves[::2] + halves[1::2] == 1).all()
    assert set(halves.sum(axis=1)) == {10, 11}
    assert (halves[:, 0] + halves[:, 1] == 1).all()  # of the two without a tumour one in either half
    assert (halves[:, 2] + halves[:, 3] == 1).all()
    assert len({tuple(row) for row in halves[::2]}) == 6  # another split each time
    np.testing.assert_array_equal(halves, split_in_halves(images, 6, "GE"))


def test_a_half_is_scored_on_its_own_patients_only(run):
    key = run.trials["key"].iloc[0]
    halves = score_halves(run, [key], "GE", 2)
    scores = image_scores(run.root, key, run.cohort)
    for vendor in ("GE", "SIEMENS"):
        part = scores[scores["vendor"] == vendor]
        split = split_in_halves(part, 2, vendor)
        for half, kept in enumerate(split):
            mine = part["patient_id"].isin(np.unique(part["patient_id"])[kept == 1])
            by_hand = [auc(p["label"].to_numpy(), p["score"].to_numpy()) for p in (part[mine], part[~mine])]
            assert halves.chooses[half][key]["val", vendor].point == pytest.approx(by_hand[0])
            assert halves.reports[half][key]["val", vendor].point == pytest.approx(by_hand[1])


def test_its_auc_is_a_mean_over_what_was_chosen(run):
    table = average_over_seeds(run.trials)
    fitted = cross_fit(run, table, "GE", "epsilon", Options(epsilon=0.0), 4)
    assert fitted.halves == 8
    assert fitted.rates["share"].sum() == pytest.approx(1)
    assert set(fitted.rates["realised_rate"]) <= set(table["realised_rate"])
    keys = table.set_index("realised_rate")["keys"]
    halves = score_halves(run, [key for row in table["keys"] for key in row], "GE", 4)
    by_rate = {}
    for rate in keys.index:
        scores = [[half[key]["val", "GE"].point for key in keys[rate]] for half in halves.reports]
        by_rate[rate] = np.mean(scores, axis=1)
    assert np.min(list(by_rate.values()), axis=0).mean() <= fitted.value["in_domain"]
    assert fitted.value["in_domain"] <= np.max(list(by_rate.values()), axis=0).mean()
    assert fitted.difference["in_domain"] == pytest.approx(fitted.value["in_domain"] - np.mean(by_rate[1.0]))


def test_a_rule_that_always_takes_full_sampling_differs_from_it_by_nothing(run):
    only = average_over_seeds(run.trials)
    only = only[only["full"].astype(bool)]
    fitted = cross_fit(run, only, "GE", "epsilon", Options(), 3)
    assert fitted.rates.to_dict("records") == [{"realised_rate": 1.0, "share": 1.0}]
    assert fitted.difference == {"in_domain": 0.0, "cross_domain": 0.0}


def test_what_can_not_be_cross_fitted_says_why(run, tmp_path):
    table = average_over_seeds(run.trials)
    assert "proof needs all" in cross_fit(run, table, "GE", "noninferior", Options(), 2).refused
    folder = write_run(tmp_path, rates=RATES, seeds=(0,), masks=("gumbel",), patients=16, source=("GE",))
    folder.trial(folder.keys()[0], "scores.npz").unlink()
    other = load(tmp_path)
    refused = cross_fit(other, average_over_seeds(other.trials), "GE", "epsilon", Options(), 2)
    assert folder.keys()[0] in refused.refused
    assert math.isnan(refused.value.get("in_domain", math.nan))


def test_one_vendor_has_no_cross_domain_number(tmp_path):
    write_run(tmp_path, vendors=("GE",), rates=RATES, seeds=(0, 1), masks=("gumbel",), patients=16)
    analysis = analyse(tmp_path, cross_fit=2)
    fitted = analysis.vendors["GE"].cross_fit
    page = analysis.report.read_text()
    assert "share of halves that chose it" in page
    assert "cross-fitted on 4 halves" in page
    assert math.isnan(fitted.value["cross_domain"])
    console = Console(record=True, width=400)
    print_analysis(analysis, console)
    text = console.export_text()
    assert "GE, cross-fitted on 4 halves" in text
    assert "cross-domain AUC not measured" in text
    assert "epoch of its weights was chosen on validation patients" in text
    assert "nan" not in text
    written = json.loads(analysis.selection_json.read_text())["cross_fits"]["GE"]
    assert written["value"]["cross_domain"] is None
    assert pd.DataFrame(written["rates"])["share"].sum() == pytest.approx(1, abs=1e-5)


def test_a_bad_number_of_repeats_is_one_message(tmp_path, capsys):
    write_run(tmp_path, rates=(1.0,), seeds=(0,), masks=("gumbel",), patients=8, source=("GE",))
    with pytest.raises(RunError, match="cross_fit"):
        analyse(tmp_path, report=False, cross_fit=-1)
    with pytest.raises(SystemExit) as stopped:
        parse([str(tmp_path), "--cross-fit", "-3"])
    assert stopped.value.code == 2
    assert "--cross-fit" in capsys.readouterr().err
