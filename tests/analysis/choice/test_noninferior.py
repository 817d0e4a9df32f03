import json
import math
import shutil

import numpy as np
import pytest
from scipy import stats

from analysis import RULES
from analysis.choice.difference import Difference, difference, two_way
from analysis.choice.noninferior_run import proof_of_vendor
from analysis.choice.options import Options
from analysis.read.configurations import average_over_seeds
from analysis.read.load import load
from analysis.results.compute import compute
from analysis.statistics.bootstrap import Resampled
from analysis.statistics.resampling import trial_draws
from analysis.statistics.uncertain_front import vendor_curves
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
        fitted = vendor_curves(run.trials[run.trials["vendor"] == vendor], draws, vendor, "val")
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


def test_seeds_add_their_own_variance():
    shared = np.random.default_rng(0).normal(0, 0.02, (20_000, 1))
    mine, full = shared + np.array([0.80, 0.82, 0.84]), shared + np.array([0.81, 0.82, 0.83])
    both = two_way(mine, full, "law")
    assert both.var() == pytest.approx(0.02**2 / 3 + 0.01**2 / 3, rel=0.05)  # s^2 / n of each, with n - 1
    seeds = [[Resampled(a[:, s].mean(), a[:, s], 30) for s in range(3)] for a in (mine, full)]
    distance = difference(*seeds, "law")
    assert distance.of_patients == pytest.approx(0, abs=1e-9)
    assert distance.of_trainings**2 == pytest.approx(both.var(), rel=1e-6)
    assert distance.total_freedom == pytest.approx(4)  # three seeds and three seeds
    assert distance.lower() == pytest.approx(stats.t(4).ppf(0.05) * distance.error, rel=0.01)


def test_what_is_needed_makes_the_margin_resolvable_and_no_less_does():
    met = 0
    for trainings in (0.0, 0.002, 0.004, 0.02):
        distance = Difference(0.0, 0.03, trainings, patients=30, freedom=4)
        patients, more = distance.needed(0.02)
        assert distance._with(patients, more).resolvable() == pytest.approx(0.02, rel=1e-6)
        assert distance._with(0.99 * patients, more).resolvable() > 0.02
        assert (more > 1) == (trainings > 0.004)  # only where patients alone would need too many
        met += 1
    assert met == 4
    assert Difference(0.0, 0.03, 0.0, 30, 4).needed(0.0) == (math.inf, math.inf)
    assert Difference(0.0, 0.0, 0.001, 30, 4).needed(0.5)[0] == pytest.approx(2 / 30)  # two patients at least


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


def test_drawn_rates_are_tested_on_the_fitted_curve_and_snap_to_a_trained_one(tmp_path):
    rates = (0.07, 0.12, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
    folder = write_run(
        tmp_path, rates=rates, seeds=(0,), masks=("gumbel",), true_auc=equal, patients=120, source=("GE",)
    )
    search = json.loads(folder.search_json.read_text())
    folder.search_json.write_text(json.dumps(search | {"search": {"sampler": "tpe"}}))
    proof, table = proofs_of(tmp_path, 0.2)["GE"], average_over_seeds(load(tmp_path).trials)
    trained = set(table["realised_rate"])
    assert "fitted curve" in proof.how
    assert proof.steps["realised_rate"].tolist() == pytest.approx([2.0**-octave for octave in np.arange(0.5, 4.5, 0.5)])
    assert proof.steps["passed"].all()
    last = proof.steps["realised_rate"].iloc[-1]
    assert proof.rate == min(rate for rate in trained if rate >= last)
    row = table.set_index("configuration").loc[proof.configuration]
    assert row["realised_rate"] == proof.rate
    strict = proofs_of(tmp_path, 0.001)["GE"]
    assert strict.rate == 1
    for key in folder.keys():
        if folder.read_config(key).sampling_rate == 1:
            folder.trial(key, "record.json").unlink()
    assert "full sampling" in proofs_of(tmp_path)["GE"].refused
