import numpy as np
import pytest
from synthetic_run import make_cohort, write_run

from analysis.baselines import baselines
from analysis.bootstrap import interval, patient_weights, resampled_auc, win_matrix
from analysis.intervals import auc_intervals
from analysis.load import load
from analysis.selection import Options
from analysis.study import compute
from tune_ks.metrics import auc


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
    for draw, value in zip(weights, fast):
        rows = np.concatenate(
            [np.flatnonzero(np.repeat(patient == p, 1)) for p in patients for _ in range(int(draw[p]))]
        )
        assert value == pytest.approx(auc(label[rows], score[rows]))
    assert resampled_auc(matrix, np.ones((1, 9)))[0] == pytest.approx(auc(label, score))


def test_patients_may_be_texts_in_any_order():
    rng = np.random.default_rng(1)
    label, score, patient = some_scores(rng)
    names = np.array([f"p{i}" for i in range(9)])
    order = rng.permutation(9)
    one = win_matrix(label, score, patient, np.arange(9)).wins
    other = win_matrix(label, score, names[patient], names[order]).wins
    np.testing.assert_array_equal(other, one[np.ix_(order, order)])


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
    assert np.isnan(draws).all()
    assert np.isnan(interval(draws)).all()


def test_baselines_in_their_better_direction():
    cohort = make_cohort(("GE", "SIEMENS"), 80, 10).set_index("row", drop=False)
    table = baselines(cohort)
    assert set(table["baseline"]) == {"mean", "p75", "p90", "position"}
    assert len(table) == 8
    falling = table[table["baseline"] == "p90"]
    assert (falling["direction"] == "lower is tumour").all()
    assert (falling["auc"] > 0.6).all()
    assert (table["auc"] >= 0.5).all()
    assert (table["low"] <= table["auc"]).all()
    assert (table["high"] >= table["auc"]).all()
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
    table = compute(run, "epsilon", Options()).configurations
    found = auc_intervals(run.root, run.cohort, table, baselines(run.cohort), draws=50).set_index("configuration")
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
    expected = interval(np.array(by_hand))
    assert found.loc[row["configuration"], "test_in_domain_low"] == pytest.approx(expected.low)
    assert found.loc[row["configuration"], "test_in_domain_high"] == pytest.approx(expected.high)
