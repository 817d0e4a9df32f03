import math

import numpy as np
import pytest
from scipy import stats
from synthetic_run import write_run

from analysis import RULES, analyse
from analysis.bootstrap import Resampled
from analysis.noninferior import Difference, difference, two_way


def run_of(root, true_auc, **more):
    write_run(root, rates=(0.25, 0.5, 1.0), masks=("gumbel",), images=8, true_auc=true_auc, **more)
    return analyse(root, report=False, margin=0.1)


def test_equal_rates_are_proven_with_many_patients_and_a_wide_margin(tmp_path):
    proof = run_of(tmp_path, lambda rate, inside, mask: 0.85, patients=160).proofs["GE"]
    assert proof.steps["passed"].tolist() == [True, True]
    assert proof.rate == 0.25


def test_the_first_failure_ends_the_sequence(tmp_path):
    analysis = run_of(tmp_path, lambda rate, inside, mask: 0.6 if rate == 0.5 else 0.9, patients=80)
    proof = analysis.proofs["GE"]
    assert proof.steps["realised_rate"].tolist() == [0.5, 0.25]
    assert proof.steps["passed"].tolist() == [False, False]
    assert "not tested" in proof.steps["why"].iloc[1]
    assert proof.rate == 1
    shown = next(s for s in analysis.others if s.rule == "noninferior" and s.vendor == "GE")
    assert shown.rate == 1
    assert shown.saw == "target-validation"
    assert "would need" in shown.note


def test_without_full_sampling_or_with_one_seed_it_refuses(tmp_path):
    write_run(tmp_path / "a", rates=(0.25, 0.5), masks=("gumbel",), patients=16)
    assert "full sampling" in analyse(tmp_path / "a", report=False).proofs["GE"].refused
    write_run(tmp_path / "b", rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=16)
    found = analyse(tmp_path / "b", report=False).proofs["GE"]
    assert "seeds" in found.refused
    assert math.isnan(found.rate)


def test_seeds_add_their_own_variance():
    shared = np.random.default_rng(0).normal(0, 0.02, (20_000, 1))
    mine, full = shared + np.array([0.80, 0.82, 0.84]), shared + np.array([0.81, 0.82, 0.83])
    both = two_way(mine, full, "law")
    assert both.var() == pytest.approx(0.02**2 / 3 + 0.01**2 / 3, rel=0.05)  # s^2 / n of each, with n - 1
    each = [[Resampled(a[:, s].mean(), a[:, s], 30) for s in range(3)] for a in (mine, full)]
    found = difference(*each, "law")
    assert found.of_patients == pytest.approx(0, abs=1e-9)
    assert found.of_seeds**2 == pytest.approx(both.var(), rel=1e-6)
    assert found.freedom == pytest.approx(4)  # three seeds and three seeds
    assert found.lower == pytest.approx(stats.t(4).ppf(0.05) * found.error, rel=0.01)
    assert found.patients_needed(0.02, 30) == math.inf  # the seeds alone forbid it


def test_patients_needed_are_those_for_which_the_margin_is_resolvable():
    found = Difference(0.0, of_patients=0.03, of_seeds=0.002, freedom=20.0)
    count = found.patients_needed(0.02, 30)
    enough = found._replace(of_patients=0.03 * math.sqrt(30 / count))
    too_few = found._replace(of_patients=0.03 * math.sqrt(30 / (count - 1)))
    assert enough.resolvable <= 0.02 < too_few.resolvable


def test_every_rule_has_a_rate_an_interval_and_a_probability(tmp_path):
    write_run(tmp_path, masks=("gumbel",), patients=40)
    analysis = analyse(tmp_path, report=False)
    mine = [s for s in [*analysis.selections.values(), *analysis.others] if s.vendor == "GE" and not s.oracle]
    assert {s.rule for s in mine} == set(RULES)
    for one in mine:
        if math.isnan(one.rate):
            assert one.note
            continue
        assert set(one.not_worse) == {"in_domain", "cross_domain", "both"}
        assert one.not_worse["both"] <= min(one.not_worse["in_domain"], one.not_worse["cross_domain"])
        assert one.columns_read
        if one.rule != "noninferior":
            assert one.interval[0] <= one.interval[1]
