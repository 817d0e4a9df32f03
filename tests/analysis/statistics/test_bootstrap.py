import math

import numpy as np
import pytest
from scipy import stats

from analysis.choice.options import Options
from analysis.read.configurations import average_over_seeds, full_sampling_of
from analysis.read.load import load
from analysis.results.compute import compute
from analysis.statistics.baselines import baselines
from analysis.statistics.bootstrap import (
    Resampled,
    average,
    interval,
    patient_weights,
    resampled_auc,
    t_interval,
    win_matrix,
)
from analysis.statistics.intervals import metric_intervals
from analysis.statistics.resampling import trial_draws
from synthetic_run import make_cohort, write_run
from tune_ks.core.metrics import auc


def some_scores(rng, images=60, patients=9):
    label = rng.integers(0, 2, images)
    score = np.round(rng.normal(label, 1), 1)  # rounded, so that ties occur
    return label, score, rng.integers(0, patients, images)


def test_resampled_auc_is_the_auc_of_the_images_drawn():
    rng = np.random.default_rng(0)
    label, score, patient = some_scores(rng)
    assert len(np.unique(score)) < len(score)
    patients = np.arange(9)
    matrix = win_matrix(label, score, patient, patients)
    weights = patient_weights(9, 30, "test")
    fast = resampled_auc(matrix, weights)
    for draw, value in zip(weights, fast.draws):
        rows = np.concatenate(
            [np.flatnonzero(np.repeat(patient == p, 1)) for p in patients for _ in range(int(draw[p]))]
        )
        assert value == pytest.approx(auc(label[rows], score[rows]))
    assert fast.point == pytest.approx(auc(label, score))
    assert fast.patients == min(len(set(patient[label == kind])) for kind in (0, 1))


def test_patients_may_be_texts_in_any_order():
    rng = np.random.default_rng(1)
    label, score, patient = some_scores(rng)
    names = np.array([f"p{i}" for i in range(9)])
    order = rng.permutation(9)
    wins = win_matrix(label, score, patient, np.arange(9)).wins
    other = win_matrix(label, score, names[patient], names[order]).wins
    np.testing.assert_array_equal(other, wins[np.ix_(order, order)])


def test_a_patient_that_is_not_listed_is_an_error():
    for patients in (np.array([0, 1]), np.array([1, 2])):
        with pytest.raises(ValueError, match="patient"):
            win_matrix(np.array([0, 1]), np.array([0.0, 1.0]), np.array([0, 2]), patients)


def test_weights_are_the_same_for_the_same_purpose_only():
    assert (patient_weights(5, 4, "GE") == patient_weights(5, 4, "GE")).all()
    assert (patient_weights(5, 4, "GE") != patient_weights(5, 4, "SIEMENS")).any()
    assert (patient_weights(5, 4, "GE").sum(axis=1) == 5).all()


def test_a_missing_class_has_no_interval():
    matrix = win_matrix(np.ones(6), np.arange(6.0), np.arange(6), np.arange(6))
    draws = resampled_auc(matrix, patient_weights(6, 10, "x"))
    assert np.isnan(draws.draws).all()
    assert np.isnan(interval(draws)).all()


def slow_interval(point, draws, patients, floor):
    """The same by hand: standard error with n - 1, t on the logit of the share of the range."""
    error = math.sqrt(sum((d - sum(draws) / len(draws)) ** 2 for d in draws) / len(draws) * patients / (patients - 1))
    share = (point - floor) / (1 - floor)
    slope = (1 - floor) * share * (1 - share)  # of the value in its logit
    ends = []
    for sign in (-1, 1):
        there = math.log(share / (1 - share)) + sign * stats.t(patients - 1).ppf(0.95) * error / slope
        ends.append(floor + (1 - floor) / (1 + math.exp(-there)))
    return ends


@pytest.mark.parametrize(("point", "floor"), [(0.6, 0.0), (0.97, 0.0), (0.02, -1.0), (-0.3, -1.0)])
def test_an_interval_is_its_slow_twin_and_stays_in_range(point, floor):
    for patients in (2, 3, 15, 36):
        draws = np.random.default_rng(patients).normal(point, 0.05, 200)
        ends = interval(Resampled(point, draws, patients, floor))
        assert ends == pytest.approx(slow_interval(point, draws.tolist(), patients, floor))
        assert floor <= ends.low < point < ends.high <= 1


def test_a_perfect_auc_is_not_certain():
    label, patient = np.tile([0, 1], 10), np.repeat(np.arange(10), 2)
    weights = patient_weights(10, 50, "x")
    for score, end in ((label, 1.0), (1 - label, 0.0)):
        resampled = resampled_auc(win_matrix(label, score, patient, np.arange(10)), weights)
        assert resampled.point == end
        ends = interval(resampled)
        # ten successes of ten: 0.05 = p ** 10
        assert ends == pytest.approx((0.05**0.1, 1.0) if end else (0.0, 1 - 0.05**0.1))


def test_one_patient_of_a_class_has_no_interval():
    label, patient = np.array([1, 0, 0, 0]), np.array([0, 0, 1, 2])
    resampled = resampled_auc(win_matrix(label, np.arange(4.0), patient, np.arange(3)), patient_weights(3, 50, "x"))
    assert resampled.patients == 1
    assert np.isnan(interval(resampled)).all()
    assert np.isnan(t_interval(0.8, math.nan, 5)).all()


def test_averages_and_differences_keep_pairs_and_count_the_fewest_patients():
    higher, lower = (Resampled(p, np.array([p - 0.1, p + 0.1]), n) for p, n in ((0.8, 9), (0.6, 4)))
    assert average([higher, lower]).point == pytest.approx(0.7)
    assert average([higher, lower]).draws == pytest.approx([0.6, 0.8])
    assert average([higher, lower]).patients == 4
    paired = higher - lower
    assert (paired.point, paired.floor, paired.patients) == (pytest.approx(0.2), -1.0, 4)
    assert paired.error == pytest.approx(0, abs=1e-12)
    assert average([paired, paired]).floor == -1.0


@pytest.mark.parametrize("patients", [8, 15])
def test_ninety_per_cent_intervals_cover_with_few_patients(patients):
    """300 cohorts; a percentile interval covers 77 to 84 % here."""
    hits, truth, weights = 0, 0.85, patient_weights(patients, 200, "law")
    patient, label = np.repeat(np.arange(patients), 8), np.tile([0, 1], 4 * patients)
    for number in range(300):
        rng = np.random.default_rng([patients, number])
        noise = rng.normal(0, math.sqrt(0.5), patients)[patient] + rng.normal(0, math.sqrt(0.5), len(patient))
        score = noise + math.sqrt(2) * stats.norm.ppf(truth) * label
        ends = interval(resampled_auc(win_matrix(label, score, patient, np.arange(patients)), weights))
        hits += ends.low <= truth <= ends.high
    assert 0.85 <= hits / 300 <= 0.96


def test_baselines_in_their_better_direction():
    cohort = make_cohort(("GE", "SIEMENS"), 80, 10).set_index("row", drop=False)
    table = baselines(cohort)
    assert set(table["baseline"]) == {"mean", "p75", "p90", "position"}
    assert len(table) == 8
    falling = table[table["baseline"] == "p90"]
    assert (falling["direction"] == "lower is positive").all()
    assert (falling["value"] > 0.6).all()
    assert (table["value"] >= 0.5).all()
    assert (table["low"] <= table["value"]).all()
    assert (table["high"] >= table["value"]).all()
    assert (table["patients"] == 20).all()


def test_baselines_without_the_columns_or_numbers_are_left_out():
    cohort = make_cohort(("GE",), 8, 4).set_index("row", drop=False)
    assert baselines(cohort.drop(columns=["mean", "p75", "p90"]).assign(position=np.nan)).empty
    assert baselines(cohort.iloc[:0]).empty
    assert baselines(cohort.assign(label=0)).empty


def test_intervals_hold_the_point_and_the_paired_difference_sees_the_effect(tmp_path):
    write_run(tmp_path, rates=(0.25, 1.0), seeds=(0, 1), patients=60, true_auc=lambda r, i, m: 0.9)
    run = load(tmp_path)
    table = compute(run, "epsilon", Options()).configurations
    assert len(table) == 6
    for domain in ("in_domain", "cross_domain"):
        assert (table[f"test_{domain}_low"] < table[f"test_{domain}"]).all()
        assert (table[f"test_{domain}_high"] > table[f"test_{domain}"]).all()
        assert (table[f"above_baseline_{domain}_low"] > 0).all()  # 0.9 against about 0.71


def test_the_interval_of_one_seed_is_a_bootstrap_by_hand(tmp_path):
    folder = write_run(tmp_path, vendors=("GE", "SIEMENS"), rates=(0.25,), seeds=(0,), masks=("gumbel",), patients=12)
    run = load(tmp_path)
    table = average_over_seeds(run.trials)
    intervals = metric_intervals(table, trial_draws(run, 50))
    intervals = intervals.set_index("configuration")
    row = table[table["vendor"] == "GE"].iloc[0]
    with np.load(folder.trial(row["keys"][0], "scores.npz")) as file:
        scores = dict(zip(file["row"][file["split"] == 1].tolist(), file["score"][file["split"] == 1].tolist()))
    images = run.cohort[(run.cohort["split"] == "test") & (run.cohort["vendor"] == "GE")]
    patients = np.unique(images["patient_id"])
    by_hand = []
    for draw in patient_weights(len(patients), 50, "GE"):
        rows = [
            r for p, n in zip(patients, draw) for _ in range(int(n)) for r in images["row"][images["patient_id"] == p]
        ]
        by_hand.append(auc(images.loc[rows, "label"].to_numpy(), np.array([scores[r] for r in rows])))
    here = auc(images["label"].to_numpy(), np.array([scores[r] for r in images["row"]]))
    expected = interval(Resampled(here, np.array(by_hand), len(patients)))
    assert intervals.loc[row["configuration"], "test_in_domain_low"] == pytest.approx(expected.low)
    assert intervals.loc[row["configuration"], "test_in_domain_high"] == pytest.approx(expected.high)


def test_a_difference_to_full_sampling_is_paired_and_averages_seeds_inside_each_draw(tmp_path):
    write_run(tmp_path, rates=(0.25, 1.0), seeds=(0, 1), patients=60)
    run = load(tmp_path)
    table = compute(run, "epsilon", Options()).configurations.set_index("configuration")
    draws = trial_draws(run)
    met = 0
    for name, row in table.iterrows():
        if row["full"]:
            assert np.isnan(row["difference_in_domain"])
            continue
        (full,) = table.index[table["full"] & (table["vendor"] == row["vendor"])]
        other = "SIEMENS" if row["vendor"] == "GE" else "GE"
        for domain, vendor in (("in_domain", row["vendor"]), ("cross_domain", other)):
            mine, theirs = (average([draws[key]["test", vendor] for key in table.loc[n, "keys"]]) for n in (name, full))
            low, high = row[f"difference_{domain}_low"], row[f"difference_{domain}_high"]
            narrower = interval(mine - theirs)  # over patients alone
            assert low <= narrower.low
            assert high >= narrower.high
            apart = row[f"test_{domain}"] - table.loc[full, f"test_{domain}"]
            assert row[f"difference_{domain}"] == pytest.approx(apart)
            assert row[f"difference_{domain}_seeds"] == 2
            assert np.diff(narrower) < 0.9 * (np.diff(interval(mine)) + np.diff(interval(theirs)))  # patients cancel
            met += 1
    assert met == 8


def test_full_sampling_is_that_of_the_same_classifier(tmp_path):
    folder = write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=8, source=("GE",))
    write_run(folder.root, rates=(0.25,), seeds=(0,), masks=("gumbel",), patients=8, source=("GE",), width=0.5)
    table = average_over_seeds(load(tmp_path).trials)
    full_of = dict(zip(table["configuration"], full_sampling_of(table)))
    assert [full_of[name] for name in table.loc[table["classifier.width"] == 0.5, "configuration"]] == [None]
    (full,) = table.loc[table["full"], "configuration"]
    others = table.loc[table["classifier.width"] != 0.5, "configuration"]
    assert {name for name, of in full_of.items() if of == full} == set(others)
