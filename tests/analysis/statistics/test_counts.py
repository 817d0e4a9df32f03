"""Standard errors without resampling: DeLong's, against definition and bootstrap; Hanley and McNeil's, from counts."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from analysis import RunError, analyse
from analysis.__main__ import main
from analysis.choice.options import Options
from analysis.read.load import load
from analysis.results.compute import compute
from analysis.statistics.bootstrap import patient_weights, resampled_auc, win_matrix
from analysis.statistics.delong import cross_check, delong
from analysis.statistics.hanley_mcneil import Counts, correlation_needed, counts_of, standard_error
from one_section import section_of
from synthetic_run import write_run
from tune_ks.core.metrics import auc


def two_scores(rng, images, correlation=0.7):
    label = rng.permutation(np.arange(images) % 3 > 0)
    noise = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], images)
    return label, np.round(noise + np.outer(label, [1.2, 1.0]), 1)  # rounded, so that ties occur


def test_delong_is_its_definition():
    label, scores = two_scores(np.random.default_rng(0), 70)
    computed = delong(label, scores)
    positives, negatives = scores[label], scores[~label]
    wins = (positives[:, None] > negatives[None]) + 0.5 * (positives[:, None] == negatives[None])  # (m, n, 2)
    of_positives, of_negatives = wins.mean(axis=1), wins.mean(axis=0)
    expected = np.cov(of_positives, rowvar=False) / len(of_positives) + np.cov(of_negatives, rowvar=False) / len(
        of_negatives
    )
    np.testing.assert_allclose(computed.covariance, expected)
    np.testing.assert_allclose(computed.auc, [auc(label, scores[:, k]) for k in (0, 1)])
    assert computed.error() == pytest.approx(math.sqrt(expected[0, 0]))
    contrast = np.array([1, -1])
    assert computed.difference_error() == pytest.approx(math.sqrt(contrast @ expected @ contrast))
    assert delong(label, scores[:, :1]).error() == pytest.approx(computed.error())
    assert delong(label, scores[:, [0, 0]]).difference_error() == pytest.approx(0, abs=1e-9)


def test_delong_needs_two_of_each_class():
    assert np.isnan(delong(np.array([1, 0, 0]), np.arange(3.0)[:, None]).error())


def clustered(label, scores, patient, draws):
    patients = np.unique(patient)
    weights = patient_weights(len(patients), draws, "delong")
    a, b = (resampled_auc(win_matrix(label, scores[:, k], patient, patients), weights) for k in (0, 1))
    return a.error, (a - b).error


@pytest.mark.parametrize("seed", range(4))
def test_delong_agrees_with_the_clustered_bootstrap_where_patients_have_one_image(seed):
    draws = 4000
    label, scores = two_scores(np.random.default_rng(seed), 300)
    computed, resampled = delong(label, scores), clustered(label, scores, np.arange(300), draws)
    # the deviation of B draws has relative error 1 / sqrt(2 B), three of which cover; DeLong's own bias is O(1 / n)
    bound = 3 / math.sqrt(2 * draws) + 3 / 300
    assert resampled[0] == pytest.approx(computed.error(), rel=bound)
    assert resampled[1] == pytest.approx(computed.difference_error(), rel=bound)


def test_delong_is_too_small_where_the_images_of_a_patient_are_alike():
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 8)
    label = patient % 2 == 0  # so that no patient's own level cancels
    scores = (rng.normal(0, 1, 60)[patient] + label)[:, None] + rng.normal(0, 0.3, (480, 2))
    assert clustered(label, scores, patient, 1000)[0] > 2 * delong(label, scores).error()


def test_the_report_holds_both_errors_of_each_choice(tmp_path):
    write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=40)
    analysis = compute(load(tmp_path), "epsilon", Options(epsilon=0.3))
    keys = {vendor: computed.selection.keys for vendor, computed in analysis.vendors.items()}
    checked = cross_check(analysis.run, analysis.configurations, analysis.draws, keys)
    of_auc = checked[checked["what"] == "AUC"]
    assert len(of_auc) == 4
    assert (of_auc["patients"] == 10).all()
    assert (of_auc["images"] == 60).all()
    np.testing.assert_allclose(checked["ratio"], checked["clustered bootstrap"] / checked["DeLong"])
    chosen = [computed.selection.rate < 1 for computed in analysis.vendors.values()]
    assert (checked["what"] == "difference").sum() == 2 * sum(chosen) > 0
    assert 'id="cross-check"' in section_of(analysis, "intervals_of_classes")


@pytest.mark.parametrize("counts", [Counts(2, 2), Counts(51, 58), Counts(3, 400)])
def test_at_chance_it_is_the_mann_whitney_variance(counts):
    positives, negatives = counts
    expected = (positives + negatives + 1) / (12 * positives * negatives)
    assert standard_error(0.5, counts) ** 2 == pytest.approx(expected)
    assert standard_error(1.0, counts) == 0


def test_the_formula_is_the_spread_of_exponential_scores():
    rng = np.random.default_rng(1)
    true, counts = 0.8, Counts(40, 60)
    positive = rng.exponential(true / (1 - true), (4000, counts.positives))  # wins with m / (m + 1)
    negative = rng.exponential(1.0, (4000, counts.negatives))
    aucs = (positive[:, :, None] > negative[:, None, :]).mean(axis=(1, 2))
    assert aucs.mean() == pytest.approx(true, abs=0.003)
    assert aucs.std() == pytest.approx(standard_error(true, counts), rel=0.04)


def test_the_correlation_that_is_needed():
    first, second, distance = 0.03, 0.04, 0.03
    least = correlation_needed(distance, first, second)
    assert 0 < least < 1
    half = norm.ppf(0.95) * math.sqrt(first**2 + second**2 - 2 * least * first * second)
    assert half == pytest.approx(distance)
    assert correlation_needed(0.2, first, second) == 0
    assert correlation_needed(0.001, first, second) == math.inf  # unequal errors differ even when r = 1
    assert correlation_needed(-0.01, first, second) == math.inf
    assert math.isnan(correlation_needed(math.nan, first, second))


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("60+/50-", {"": (60, 50)}),
        ("50-/60+", {"": (60, 50)}),
        ("60+50-", {"": (60, 50)}),
        ("GE=60+/50-,siemens = 40+ / 30-", {"GE": (60, 50), "SIEMENS": (40, 30)}),
    ],
)
def test_counts_are_read_in_either_order(text, counts):
    assert counts_of(text) == counts


UNCLEAR = ("", "60", "60/50", "60+", "60+/50+", "60+/50-/3-", "-5+/6-", "GE:6+/5-", "6.5+/5-", "6+/5-,")


@pytest.mark.parametrize("text", [*UNCLEAR, "1+/50-", "GE=60+/50-,GE=6+/5-", "60+/50-,GE=6+/5-"])
def test_counts_that_could_be_read_in_two_ways_are_refused(text, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["somewhere", f"--patients={text}"])
    assert stopped.value.code == 2
    assert "60+/60-" in capsys.readouterr().err


def test_table_1_with_counts_has_intervals_and_says_what_they_lack(table_1):
    counts = {"GE": Counts(125, 125), "SIEMENS": Counts(58, 58)}
    analysis = compute(table_1, "epsilon", Options(epsilon=0.03), counts)
    values = analysis.vendors["GE"].selection.values
    assert (values["test_in_domain_low"], values["test_in_domain_high"]) == pytest.approx((0.836, 0.910), abs=6e-4)
    wider = analysis.vendors["GE"].selection.values["test_cross_domain_high"] - values["test_cross_domain_low"]
    assert wider > 2 * (values["test_in_domain_high"] - values["test_in_domain_low"])  # 58 patients, a lower AUC
    assert math.isnan(values["difference_in_domain_low"])  # never from counts alone
    text = " ".join(analysis.warnings)
    assert "Counts" not in text.replace("counts of test patients alone (GE 125+/125-, SIEMENS 58+/58-", "")
    assert "GE, in-domain: how the AUCs of two models correlate is not in the counts" in text
    assert 'id="counts-alone"' in section_of(analysis, "intervals_of_classes")
    plain = compute(table_1, "epsilon", Options(epsilon=0.03))
    assert "no interval was computed" in section_of(plain, "intervals_of_classes")


def test_counts_of_a_vendor_that_was_not_scored_are_one_message(example, capsys):
    with pytest.raises(RunError, match=r"PHILIPS.*GE, SIEMENS"):
        analyse(example, patients={"PHILIPS": Counts(5, 5)})
    assert main([str(example), "--patients", "PHILIPS=5+/5-"]) == 2
    assert capsys.readouterr().err.startswith("error: --patients names PHILIPS")


def test_counts_do_not_replace_intervals_from_scores(tmp_path):
    write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=16)
    ends = ["test_in_domain_low", "test_cross_domain_high"]
    run = load(tmp_path)
    plain = compute(run, "epsilon", Options()).configurations[ends]
    counted = compute(run, "epsilon", Options(), {"": Counts(9, 9)}).configurations[ends]
    np.testing.assert_array_equal(plain, counted)
