"""What a choice was allowed to see: leave-one-vendor-out sees nothing of one vendor; peeking has a price in numbers."""

import io
import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from analysis import analyse, print_analysis
from analysis.choice.labels import readers
from analysis.choice.leave_one_out import leave_one_vendor_out
from analysis.choice.optimism import oracle_luck
from analysis.choice.options import Options
from analysis.read.load import load
from analysis.results import sentences
from analysis.results.compute import compute
from analysis.statistics.bootstrap import patient_weights, resampled_auc, win_matrix
from analysis.statistics.measures import MEASURES
from analysis.statistics.resampling import trial_draws
from synthetic_run import write_arrays, write_run
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder

VENDORS = ("GE", "PHILIPS", "SIEMENS")


def record(rate, val, test):
    return TrialRecord(TrialConfig("GE", rate), dict(zip(VENDORS, val)), dict(zip(VENDORS, test)), realised_rate=rate)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """Philips' validation prefers 0.2, Siemens' 0.5; on test the best is 1."""
    root = tmp_path_factory.mktemp("labels")
    folder = RunFolder(root)
    folder.write_record(record(0.2, (0.90, 0.80, 0.60), (0.85, 0.71, 0.61)))
    folder.write_record(record(0.5, (0.90, 0.70, 0.75), (0.86, 0.72, 0.62)))
    folder.write_record(record(1.0, (0.90, 0.65, 0.65), (0.88, 0.79, 0.69)))
    return root


@pytest.fixture(scope="module")
def analysis(by_hand):
    return analyse(by_hand)


def left_out(analysis, oracle=False):
    return {s.held_out: s for s in analysis.vendors["GE"].others if s.held_out and s.oracle == oracle}


def test_the_labels_of_all_but_the_held_out_vendor_choose_and_it_alone_is_reported(analysis):
    choices = left_out(analysis)
    assert {held: s.rate for held, s in choices.items()} == {"SIEMENS": 0.2, "PHILIPS": 0.5}
    assert {held: s.values["test_cross_domain"] for held, s in choices.items()} == {"SIEMENS": 0.61, "PHILIPS": 0.72}
    assert all(s.saw == "leave-one-vendor-out" and not s.oracle for s in choices.values())
    assert {held: s.rate for held, s in left_out(analysis, oracle=True).items()} == {"SIEMENS": 1.0, "PHILIPS": 1.0}
    target = next(
        s for s in analysis.vendors["GE"].others if s.rule == "cross_domain" and not s.held_out and not s.oracle
    )
    assert (target.rate, target.saw) == (0.5, "target-validation")


def test_a_sampler_that_may_have_read_the_held_out_vendor_is_named(by_hand, tmp_path):
    folder = RunFolder(shutil.copytree(by_hand, tmp_path / "run"))
    folder.search_json.write_text(json.dumps({"search": {"sampler": "tpe"}}))
    computed = compute(load(folder.root), "epsilon", Options()).vendors["GE"]
    choices = {s.held_out: s for s in computed.others if s.held_out and not s.oracle}
    assert len(choices) == 2
    for held_out, selection in choices.items():
        words = sentences.whose_labels(selection, MEASURES["auc"])
        assert f"the sampler of this search may have read the validation scores of {held_out}" in words
        assert "has not seen" not in words
    words = sentences.whose_labels(computed.selection, MEASURES["auc"])
    assert computed.selection.saw == "source-validation"
    assert "no label of another vendor" not in words
    assert "labels of other vendors played a part" in words
    assert "the sampler of this search" in sentences.labels(computed.selection, MEASURES["auc"])


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({}, ""),
        ({"sampler": "grid"}, ""),
        ({"sampler": "qmc"}, ""),
        ({"sampler": "tpe"}, "sampler"),  # both objectives are the default
        ({"sampler": "tpe", "objectives": ["val_in_domain"]}, ""),
        ({"sampler": "random", "scheduler": "pareto_halving"}, "scheduler"),
        ({"sampler": "tpe", "scheduler": "pareto_halving"}, "sampler and the scheduler"),
        ({"sampler": "tpe", "scheduler": "pareto_halving", "objectives": ["val_in_domain"]}, ""),
    ],
)
def test_what_of_a_search_read_other_vendors(search, words):
    assert readers({"search": search}) == words


def test_a_proof_has_no_oracle(by_hand):
    analysis = compute(load(by_hand), "noninferior", Options())
    assert {s.rule for s in analysis.vendors["GE"].others if s.oracle} == {"cross_domain"}
    assert all(s.note for s in analysis.vendors["GE"].others if s.rule == "noninferior")


def test_the_gap_is_a_number_everywhere(analysis):
    gaps = {(g.rule, g.held_out): g for g in analysis.vendors["GE"].optimism}
    assert set(gaps) == {
        ("epsilon", ""),
        ("cross_domain", ""),
        ("cross_domain", "SIEMENS"),
        ("cross_domain", "PHILIPS"),
    }
    siemens = gaps["cross_domain", "SIEMENS"]
    assert siemens.gap == pytest.approx({"in_domain": 0.88 - 0.85, "cross_domain": 0.69 - 0.61})
    assert gaps["cross_domain", ""].gap["cross_domain"] == pytest.approx((0.79 + 0.69 - 0.72 - 0.62) / 2)
    assert all(math.isnan(value) for value in siemens.luck.values())  # no per-image scores: said, not invented
    written = json.loads(analysis.selection_json.read_text())
    assert written["optimism"][0]["own"] == {"in_domain": None, "cross_domain": None}
    assert [c["held_out"] for c in written["others"] if c["saw"] == "leave-one-vendor-out"] == ["PHILIPS", "SIEMENS"]
    page = analysis.report.read_text()
    assert 'id="optimism"' in page
    assert "leave-one-vendor-out" in page
    console = Console(record=True, width=80, file=io.StringIO())
    print_analysis(analysis, console)
    text = " ".join(console.export_text().split())
    gap = "SIEMENS held out: optimism gap to the oracle, which chose 1 (R = 1): in-domain +0.030, cross-domain +0.080"
    assert gap in text
    assert "every vendor but SIEMENS (leave-one-vendor-out)" in text


def test_two_vendors_leave_none_to_choose(tmp_path):
    write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12, source=("GE",))
    run = load(tmp_path)
    assert leave_one_vendor_out(run, trial_draws(run), "GE", ["cross_domain"], Options()) == []


def test_nothing_of_the_held_out_vendors_validation_reaches_the_choice(tmp_path):
    small = {"rates": (0.25, 0.5, 1.0), "seeds": (0,), "masks": ("gumbel",), "patients": 16}
    folder = write_run(tmp_path, vendors=VENDORS, source=("GE",), **small)

    def choices():
        run = load(tmp_path)
        leaves = leave_one_vendor_out(run, trial_draws(run), "GE", ["cross_domain"], Options())
        return {left.held_out: left.choices[0] for left in leaves}

    before = choices()
    cohort = load(tmp_path).cohort
    for key in folder.keys():
        path = folder.trial(key, "record.json")
        values = json.loads(path.read_text())
        for name in ("val", "val_within", "val_over_draws"):
            values[name]["SIEMENS"] = values["config"]["sampling_rate"] / 2  # now it prefers full sampling
        path.write_text(json.dumps(values))
        with np.load(folder.trial(key, "scores.npz")) as file:
            arrays = {name: file[name].copy() for name in file.files}
        theirs = (cohort.loc[arrays["row"], "vendor"] == "SIEMENS").to_numpy() & (arrays["split"] == 0)
        assert theirs.sum() >= 50
        arrays["score"][theirs] = np.random.default_rng(0).normal(size=theirs.sum())
        write_arrays(folder, key, "scores.npz", **arrays)
    after = choices()
    for name, value in before["SIEMENS"]._asdict().items():
        if name == "values":
            np.testing.assert_equal(after["SIEMENS"].values, value)
        elif name != "full_sampling":
            assert getattr(after["SIEMENS"], name) == value, name
    changed = after["PHILIPS"].values["val_cross_domain"], before["PHILIPS"].values["val_cross_domain"]
    assert changed[0] != changed[1]  # there Siemens' labels may choose


def equal_rates(rng, count, patients):
    """Test draws of ``count`` rates that are equally good, with independent scores."""
    label, patient = np.tile([0, 1], patients), np.repeat(np.arange(patients), 2)
    weights = patient_weights(patients, 100, "equal")
    draws = {}
    for number in range(count):
        matrix = win_matrix(label, rng.normal(label, 1), patient, np.arange(patients))
        draws[str(number)] = {("test", "GE"): resampled_auc(matrix, weights)}
    keys = [[str(number)] for number in range(count)]
    return pd.DataFrame({"keys": keys, "realised_rate": np.linspace(0.1, 1, count)}), draws


def test_the_oracles_luck_is_found_and_one_rate_has_none():
    true = 0.7602  # Phi(1 / sqrt 2)
    estimated, real = [], []
    for seed in range(16):
        table, draws = equal_rates(np.random.default_rng(seed), 12, 40)
        estimated.append(oracle_luck("epsilon", "GE", table, draws, Options(epsilon=0))["in_domain"])
        real.append(max(of["test", "GE"].point for of in draws.values()) - true)
    # between equals the bootstrap finds 0.61 of the luck (60 seeds): half of a draw's spread is the sample's own
    assert 0.4 < np.mean(estimated) / np.mean(real) < 0.9
    table, draws = equal_rates(np.random.default_rng(0), 1, 40)
    alone = oracle_luck("epsilon", "GE", table, draws, Options())
    assert alone["in_domain"] == pytest.approx(0, abs=0.01)
    assert math.isnan(alone["cross_domain"])
