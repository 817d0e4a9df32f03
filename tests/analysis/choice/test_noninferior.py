import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest

from analysis import RULES
from analysis.choice.noninferior import Question, noninferior_curve
from analysis.choice.noninferior_run import proof_of_vendor
from analysis.choice.options import Options
from analysis.read.configurations import average_over_seeds
from analysis.read.load import load
from analysis.results.compute import compute
from analysis.statistics.bootstrap import Resampled
from analysis.statistics.fitted import fit_vendor
from analysis.statistics.resampling import trial_draws
from synthetic_run import make_cohort, write_run, write_trial
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder


def run_of(root, true_auc, **more):
    write_run(root, rates=(0.25, 0.5, 1.0), masks=("gumbel",), images=8, true_auc=true_auc, source=("GE",), **more)
    return compute(load(root), "epsilon", Options(margin=0.1))


def equal(rate, inside, mask):
    return 0.85


def proofs_of(root, margin=0.02):
    """Only the proofs: no rule, no interval, no file."""
    run = load(root)
    table, draws = average_over_seeds(run.trials), trial_draws(run, 300)
    proofs = {}
    for vendor, configurations in table.groupby("vendor"):
        fitted = fit_vendor(configurations, run.trials[run.trials["vendor"] == vendor], draws, vendor, "val")
        proofs[vendor] = proof_of_vendor(run, configurations, draws, fitted, vendor, margin)
    return proofs


def forget(folder, rate, reason=None, seeds=(0, 1, 2)):
    """Trials of GE at one rate end without a record: pending, or failed for a reason."""
    for key in folder.keys():
        config = folder.read_config(key)
        if config.sampling_rate == rate and config.seed in seeds and config.vendor == "GE":
            folder.trial(key, "record.json").unlink()
            if reason:
                folder.write_failure(config, reason)


def test_equal_rates_are_proven_with_many_patients_and_a_wide_margin(tmp_path):
    proof = run_of(tmp_path, equal, patients=160).vendors["GE"].proof
    assert proof.steps["passed"].tolist() == [True, True]
    assert proof.rate == 0.25


def test_the_first_failure_ends_the_sequence(tmp_path):
    analysis = run_of(tmp_path, lambda rate, inside, mask: 0.6 if rate == 0.5 else 0.9, patients=80)
    proof = analysis.vendors["GE"].proof
    assert proof.steps["realised_rate"].tolist() == [0.5, 0.25]
    assert proof.steps["passed"].tolist() == [False, False]
    assert "not tested" in proof.steps["why"].iloc[1]
    assert proof.rate == 1
    shown = next(s for s in analysis.vendors["GE"].others if s.rule == "noninferior")
    assert shown.rate == 1
    assert shown.saw == "target-validation"
    assert "would need" in shown.note


def test_without_full_sampling_or_with_one_seed_it_refuses(tmp_path):
    write_run(tmp_path / "a", rates=(0.25, 0.5), masks=("gumbel",), patients=16)
    assert "full sampling" in proofs_of(tmp_path / "a")["GE"].refused
    write_run(tmp_path / "b", rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=16)
    proof = proofs_of(tmp_path / "b")["GE"]
    assert "seeds" in proof.refused
    assert math.isnan(proof.rate)


def test_every_rule_has_a_rate_an_interval_and_a_probability(tmp_path):
    write_run(tmp_path, masks=("gumbel",), patients=40, source=("GE",))
    analysis = compute(load(tmp_path), "epsilon", Options())
    mine = [s for s in [analysis.vendors["GE"].selection, *analysis.vendors["GE"].others] if not s.oracle]
    assert {s.rule for s in mine} == set(RULES)
    for selection in mine:
        if math.isnan(selection.rate):
            assert selection.note
            continue
        assert set(selection.not_worse) == {"in_domain", "cross_domain", "both"}
        assert selection.not_worse["both"] <= min(selection.not_worse["in_domain"], selection.not_worse["cross_domain"])
        assert selection.columns_read
        if selection.rule != "noninferior":
            assert selection.interval[0] <= selection.interval[1]


@pytest.fixture(scope="module")
def equal_rates(tmp_path_factory):
    """Three rates that are equally good, of both vendors; to be copied."""
    root = tmp_path_factory.mktemp("equal") / "run"
    write_run(root, rates=(0.25, 0.5, 1.0), masks=("gumbel",), images=8, true_auc=equal, patients=80)
    return root


@pytest.mark.parametrize(("reason", "word"), [(None, "is not trained yet"), ("the loss became NaN", "failed")])
def test_a_missing_rate_ends_the_sequence_and_says_why(equal_rates, tmp_path, reason, word):
    folder = RunFolder(shutil.copytree(equal_rates, tmp_path / "run"))
    forget(folder, 0.5, reason)
    proofs = proofs_of(folder.root, 0.3)
    assert proofs["SIEMENS"].rate == 0.25
    assert proofs["GE"].rate == 1
    steps = proofs["GE"].steps
    assert steps["realised_rate"].tolist() == [0.5, 0.25]
    assert steps["why"].iloc[0] == f"{word}: no step may be skipped"
    assert "not tested" in steps["why"].iloc[1]
    assert steps["in_domain_lower"].iloc[1] > -0.3  # 0.25 alone would have passed


def test_a_seed_or_a_full_sampling_that_is_not_trained_yet_is_said(tmp_path):
    folder = write_run(tmp_path, rates=(0.5, 1.0), masks=("gumbel",), patients=16, source=("GE",))
    forget(folder, 0.5, seeds=(1,))
    proof = proofs_of(tmp_path)["GE"]
    assert proof.steps["why"].tolist() == ["fewer than 3 seeds with scores (one is not trained yet)"]
    forget(folder, 1.0)
    assert "full sampling (rate 1) is not trained yet" in proofs_of(tmp_path)["GE"].refused


def test_a_rate_that_only_the_other_vendor_has_is_missing(equal_rates, tmp_path):
    folder = RunFolder(shutil.copytree(equal_rates, tmp_path / "run"))
    for key in folder.keys():
        config = folder.read_config(key)
        if config.vendor == "GE" and config.sampling_rate == 0.5:
            shutil.rmtree(folder.trial(key))
    proof = proofs_of(folder.root, 0.3)["GE"]
    assert (proof.rate, proof.steps["realised_rate"].tolist()) == (1, [0.5, 0.25])


def test_a_finished_grid_of_one_seed_lacks_no_training(equal_rates, tmp_path):
    folder = RunFolder(shutil.copytree(equal_rates, tmp_path / "run"))
    for key in folder.keys():
        config = folder.read_config(key)
        if config.seed > 0 and config.sampling_rate < 1:
            shutil.rmtree(folder.trial(key))
    for proof in proofs_of(folder.root, 0.3).values():  # the other vendor has the same trainings, and no more
        assert proof.steps["why"].iloc[0] == "fewer than 3 seeds with scores"


def test_several_curves_share_the_five_per_cent(tmp_path):
    folder = write_run(tmp_path, rates=(0.5, 1.0), masks=("gumbel",), true_auc=equal, patients=80, source=("GE",))
    alone = proofs_of(tmp_path, 0.2)["GE"]
    cohort = make_cohort(("GE", "SIEMENS"), 80, 6)
    for seed in range(3):
        for rate, value in ((0.25, 0.85), (0.5, 0.85)):
            config = TrialConfig("GE", rate, temperature=5.0, seed=seed)
            write_trial(folder, cohort, config, lambda rate, inside, mask, value=value: value)
    proof = proofs_of(tmp_path, 0.2)["GE"]
    assert "2 curves, each at one-sided 97.5 %" in proof.how
    assert proof.rate == 0.25
    by_curve = proof.steps.groupby("curve")["in_domain_lower"].first()
    assert set(by_curve.index) == {"gumbel, temperature 1", "gumbel, temperature 5"}
    assert by_curve["gumbel, temperature 1"] < alone.steps["in_domain_lower"].iloc[0]  # 97.5 % is stricter than 95


DRAWN = (0.07, 0.12, 0.2, 0.3, 0.45, 0.6, 0.8)


def draw_rates(root, **more):
    """A folder whose rates below 1 were drawn, once each, with three trainings at full sampling."""
    given = {"masks": ("gumbel",), "true_auc": equal, "patients": 120, "source": ("GE",)} | more
    folder = write_run(root, rates=DRAWN, seeds=(0,), **given)
    write_run(root, rates=(1.0,), seeds=(0, 1, 2), **given)
    search = json.loads(folder.search_json.read_text())
    folder.search_json.write_text(json.dumps(search | {"search": {"sampler": "tpe"}}))
    return folder


def test_drawn_rates_are_tested_on_the_fitted_curve_and_snap_to_a_trained_one(tmp_path):
    folder = draw_rates(tmp_path)
    proof, table = proofs_of(tmp_path, 0.2)["GE"], average_over_seeds(load(tmp_path).trials)
    trained = set(table["realised_rate"])
    assert "fitted curve" in proof.how
    assert "the 3 trainings of full sampling" in proof.how
    assert proof.steps["realised_rate"].tolist() == pytest.approx([2.0**-octave for octave in np.arange(0.5, 4.5, 0.5)])
    assert proof.steps["passed"].all()
    last = proof.steps["realised_rate"].iloc[-1]
    assert proof.rate == min(rate for rate in trained if rate >= last)
    row = table.set_index("configuration").loc[proof.configuration]
    assert row["realised_rate"] == proof.rate
    strict = proofs_of(tmp_path, 0.001)["GE"]
    assert strict.rate == 1
    forget(folder, 1.0, seeds=(2,))
    assert "full sampling has fewer than 3 seeds" in proofs_of(tmp_path)["GE"].refused
    forget(folder, 1.0, seeds=(0, 1))
    assert "full sampling" in proofs_of(tmp_path)["GE"].refused


def test_a_jump_at_full_sampling_is_not_smeared_into_the_rates_below():
    """Every training below 1 scores 0.80, full sampling 0.83: so do the curve and the difference, at every rate."""
    rates = [0.07, 0.12, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.0, 1.0]
    rng = np.random.default_rng(0)
    shift = {vendor: rng.normal(0, 0.02, 400) for vendor in ("GE", "SIEMENS")}
    rows, draws = [], {}
    for number, rate in enumerate(rates):
        auc = 0.83 if rate == 1 else 0.80
        key = str(number)
        draws[key] = {
            ("val", v): Resampled(auc, auc + moved + rng.normal(0, 1e-3, 400), 50) for v, moved in shift.items()
        }
        row = {"key": key, "configuration": f"{rate}", "vendor": "GE", "mask": "gumbel", "full": rate == 1}
        row |= {"sampling_rate": rate, "realised_rate": rate, "val_in_domain": auc, "val_cross_domain": auc}
        rows.append(row)
    trials = pd.DataFrame(rows)
    table = trials.groupby("configuration", as_index=False).first()
    table["keys"] = trials.groupby("configuration")["key"].agg(list).to_numpy()
    fitted = fit_vendor(table, trials, draws, "GE", "val")
    question = Question("GE", 0.02, {"in_domain": 50, "cross_domain": 50})
    proof = noninferior_curve(fitted.curves["gumbel"], table, draws, question)
    assert len(proof.steps) == 7
    assert proof.steps["in_domain_difference"].to_numpy() == pytest.approx(-0.03, abs=1e-3)
    assert proof.rate == 1
    assert noninferior_curve(fitted.curves["gumbel"], table, draws, question._replace(margin=0.04)).rate == 0.12


def test_temperatures_are_several_curves_or_no_proof(tmp_path):
    """Two temperatures with a curve each share the 5 %; temperatures of one rate each make none."""
    folder = draw_rates(tmp_path, patients=80)
    cohort = make_cohort(("GE", "SIEMENS"), 80, 6)
    for rate in DRAWN:
        write_trial(folder, cohort, TrialConfig("GE", rate, temperature=5.0), equal)
    proof = proofs_of(tmp_path, 0.2)["GE"]
    assert "2 curves, each at one-sided 97.5 %" in proof.how
    assert set(proof.steps["curve"]) == {"gumbel, temperature 1", "gumbel, temperature 5"}
    for key in folder.keys():
        if not folder.read_config(key).is_full:
            shutil.rmtree(folder.trial(key))
    for number, rate in enumerate(DRAWN):
        write_trial(folder, cohort, TrialConfig("GE", rate, temperature=1.0 + number), equal)
    assert "7 curves, none of which has three rates" in proofs_of(tmp_path, 0.2)["GE"].refused
