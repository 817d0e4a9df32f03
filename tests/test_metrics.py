"""AUC against its O(n^2) definition, by hand, and where it is undefined."""

import numpy as np
import pytest

from tune_ks.metrics import auc, within_patient_auc


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
