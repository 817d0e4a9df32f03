"""The metrics against their definitions, by hand, and where they are undefined."""

import numpy as np
import pytest

from tune_ks.core.metrics import (
    METRICS,
    auc,
    mean_dice,
    mean_r2,
    within_patient_auc,
    within_patient_dice,
    within_patient_r2,
)


def by_definition(label, score):
    pairs = [(p, n) for p in score[label == 1] for n in score[label == 0]]
    return np.mean([1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs])


def test_auc_equals_the_count_of_won_pairs_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(50):
        label = rng.permutation([0, 1, *rng.integers(0, 2, 20)])
        score = rng.integers(0, 6, len(label)).astype(float)  # many ties
        assert auc(label, score) == pytest.approx(by_definition(label, score))


def test_auc_by_hand():
    assert auc([0, 0, 1, 1], [1, 2, 3, 4]) == 1
    assert auc([1, 1, 0, 0], [1, 2, 3, 4]) == 0
    assert auc([0, 1, 0, 1], [1, 1, 1, 1]) == 0.5
    assert auc([0, 0, 1, 1], [1, 3, 2, 4]) == 0.75


@pytest.mark.parametrize(("label", "score"), [([1, 1], [0, 1]), ([0, 0], [0, 1]), ([], []), ([0, 1], [0, np.nan])])
def test_undefined_is_nan_not_a_number(label, score):
    assert np.isnan(auc(np.array(label), np.array(score)))


def test_within_patient_is_blind_to_the_patients_levels():
    label = np.array([0, 1, 0, 1, 1])
    score = np.array([0.0, 1.0, 100.0, 101.0, -5.0])
    patient = np.array(["a", "a", "b", "b", "c"])  # c has one class only
    assert within_patient_auc(label, score, patient) == 1
    assert auc(label, score) < 1
    assert np.isnan(within_patient_auc(label[4:], score[4:], patient[4:]))


def test_dice_is_the_mean_over_the_images_that_have_a_tumour():
    score = np.array([0.25, np.nan, 0.75, 1.0, np.nan, 0.0])
    label, patient = np.array([1, 0, 1, 1, 0, 1]), np.array(["a", "a", "a", "b", "c", "d"])
    assert mean_dice(label, score) == 0.5
    assert within_patient_dice(label, score, patient) == pytest.approx((0.5 + 1 + 0) / 3)  # c has no tumour
    assert np.isnan(mean_dice(label[1:2], score[1:2]))
    assert np.isnan(within_patient_dice(label[4:5], score[4:5], patient[4:5]))
    assert np.isnan(within_patient_dice(label[:0], score[:0], patient[:0]))


def test_r2_is_the_mean_over_images_and_may_be_negative():
    label, score = np.ones(4), np.array([0.5, -3.0, np.nan, 1.0])
    assert mean_r2(label, score) == pytest.approx(-0.5)
    assert within_patient_r2(label, score, np.array([0, 0, 1, 1])) == pytest.approx((-1.25 + 1) / 2)
    assert np.isnan(mean_r2(label[2:3], score[2:3]))


@pytest.mark.parametrize("name", METRICS)
def test_of_one_patient_both_means_of_a_metric_are_the_same(name):
    rng = np.random.default_rng(0)
    label, score = np.array([0, 1, 0, 1, 1]), rng.uniform(size=5)
    metric = METRICS[name]
    assert metric.within(label, score, np.zeros(5)) == pytest.approx(metric.overall(label, score))
    assert 0 <= metric.overall(label, score) <= 1
