"""What a clinician asks, against exact answers made by hand and independent definitions."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_curve

from analysis import analyse, print_analysis
from analysis.read.trial_arrays import image_scores
from analysis.report.export import figures
from analysis.results import sentences
from analysis.results.operating import resampled_share, resampled_thresholds
from analysis.results.subgroups import PATIENTS, SMALL_COLLECTION, subgroups
from analysis.statistics.bootstrap import interval, patient_weights, resampled_mean
from synthetic_run import make_cohort, write_run
from tune_ks.core.metrics import auc
from tune_ks.core.operating_point import SPECIFICITY, threshold


@pytest.mark.parametrize(
    ("negatives", "specificity", "cut"),
    [
        (range(10), 0.9, 8),  # one of ten may lie above
        (range(10), 0.95, 9),  # none may
        (range(19), 0.9, 17),  # one of nineteen is 94.7 %, two would be 89.5 %
        ([1, 1, 1, 1, 2, 2, 2, 2, 2, 2], 0.9, 2),  # ties can't be split
    ],
)
def test_the_cut_leaves_no_more_negatives_above_than_allowed(negatives, specificity, cut):
    negatives = np.array(negatives, dtype=float)
    label, score = np.r_[np.zeros(len(negatives)), 1, 1], np.r_[negatives, -5, 50]
    computed = threshold(label, score, specificity)
    assert computed == cut
    assert (negatives > computed).mean() <= 1 - specificity + 1e-12


def test_the_cut_is_the_best_point_of_the_roc_curve():
    rng = np.random.default_rng(0)
    for _ in range(20):
        label = rng.permutation(np.arange(80) < 30).astype(int)
        score = np.round(rng.normal(label, 1), 1)
        false, true, _ = roc_curve(label, score, drop_intermediate=False)
        sensitivity = (score[label == 1] > threshold(label, score)).mean()
        assert sensitivity == pytest.approx(true[false <= 1 - SPECIFICITY + 1e-12].max())
    assert math.isnan(threshold(np.ones(3), np.arange(3.0)))


def test_a_share_is_resampled_by_patient():
    rng = np.random.default_rng(1)
    patient = rng.integers(0, 6, 50)
    part, whole = rng.random(50) < 0.5, rng.random(50) < 0.7
    weights = patient_weights(6, 20, "share")
    resampled = resampled_mean(part, whole, patient, weights)
    assert resampled.point == pytest.approx(part[whole].mean())
    for draw, value in zip(weights, resampled.draws):
        rows = np.repeat(np.arange(50), draw[patient].astype(int))
        assert value == pytest.approx(part[rows][whole[rows]].mean())


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("clinic") / "run"
    write_run(root, rates=(0.25, 1.0), seeds=(0, 1), masks=("gumbel",), patients=96, images=4)
    return analyse(root, epsilon=0.3)


def parts(analysis, source, vendor, split="test"):
    """label, score and row of each training of the choice."""
    for key in analysis.vendors[source].selection.keys:
        scores = image_scores(analysis.run.root, key, analysis.run.cohort)
        yield scores[(scores["split"] == split) & (scores["vendor"] == vendor)]


def only_row(table, **where):
    for name, value in where.items():
        table = table[table[name.replace("_", " ")] == value]
    assert len(table) == 1
    return table.iloc[0]


def scored_patients(rng, patients, images=5):
    """Patient, label and score of images; scores of a patient are alike, and of tumours 1.5 higher."""
    patient = np.repeat(np.arange(patients), images)
    label = rng.integers(0, 2, len(patient))
    label[:2] = 0, 1
    score = rng.normal(0, np.sqrt(0.3), patients)[patient] + rng.normal(0, np.sqrt(0.7), len(patient)) + 1.5 * label
    return patient, label, np.round(score, 1)  # with ties


def test_resampled_thresholds_and_shares_are_those_of_repeated_images():
    rng = np.random.default_rng(0)
    patient, label, score = scored_patients(rng, 9)
    negative = label == 0
    weights = rng.multinomial(9, np.full(9, 1 / 9), 40).astype(float)
    cuts = resampled_thresholds(score[negative], patient[negative], weights)
    test_patient, test_label, test_score = scored_patients(rng, 7)
    test_weights = rng.multinomial(7, np.full(7, 1 / 7), 40).astype(float)
    cut = threshold(label, score)
    for positive in (True, False):
        here = test_label == positive
        share = resampled_share(test_score[here], test_patient[here], test_weights, cut, cuts, above=positive)
        assert share.point == pytest.approx(((test_score[here] > cut) == positive).mean())
        for number in range(40):
            drawn = np.repeat(score[negative], weights[number, patient[negative]].astype(int))
            by_hand = threshold(np.zeros(len(drawn)), drawn)
            assert cuts[number] == by_hand
            drawn = np.repeat(test_score[here], test_weights[number, test_patient[here]].astype(int))
            assert share.draws[number] == pytest.approx(((drawn > by_hand) == positive).mean())


def test_a_draw_without_a_negative_has_no_threshold():
    cuts = resampled_thresholds(np.array([0.1]), np.array([0]), np.array([[0.0, 2.0], [1.0, 1.0]]))
    assert math.isnan(cuts[0])
    assert cuts[1] == 0.1


def test_sensitivity_at_a_carried_threshold_covers_the_truth_of_the_model():
    """The model's own sensitivity at its own 90 % specificity: the threshold is of 15 patients, and no fixed number."""
    truth = stats.norm.sf(stats.norm.ppf(0.9) - 1.5)
    covered, as_known = [], []
    rng = np.random.default_rng(1)
    for _ in range(120):
        patient, label, score = scored_patients(rng, 15)
        negative = label == 0
        patient = np.unique(patient[negative], return_inverse=True)[1]
        cuts = resampled_thresholds(score[negative], patient, patient_weights(patient.max() + 1, 300, "val"))
        test_patient, test_label, test_score = scored_patients(rng, 60)
        weights = patient_weights(60, 300, "test")
        positive, cut = test_label == 1, threshold(label, score)
        drawn = (test_score[positive], test_patient[positive], weights, cut)
        share = resampled_share(*drawn, cuts, above=True)
        known = resampled_share(*drawn, np.full(300, cut), above=True)
        low, high = interval(replace(share, patients=15))
        covered.append(low <= truth <= high)
        low, high = interval(known)
        as_known.append(low <= truth <= high)
    assert np.mean(covered) >= 0.85
    assert np.mean(as_known) < 0.6


@pytest.mark.parametrize("vendor", ["GE", "SIEMENS"])
def test_the_threshold_is_the_source_vendors_wherever_it_is_applied(analysis, vendor):
    assert analysis.vendors["GE"].selection.rate < 1
    row = only_row(analysis.clinic.operating, trained_on="GE", scored_on=vendor, rate="chosen")
    detected, stayed = [], []
    for val, test in zip(parts(analysis, "GE", "GE", "val"), parts(analysis, "GE", vendor)):
        cut = threshold(val["label"].to_numpy(), val["score"].to_numpy())
        detected.append((test["score"][test["label"] == 1] > cut).mean())
        stayed.append((test["score"][test["label"] == 0] <= cut).mean())
    assert len(detected) == 2
    assert row["sensitivity"] == pytest.approx(np.mean(detected))
    assert row["specificity"] == pytest.approx(np.mean(stayed))
    assert row["low"] < row["sensitivity"] < row["high"]
    assert row["its low"] < row["specificity"] < row["its high"]
    assert (row["patients"], row["images"]) == (24, 96)


def test_a_shift_of_one_vendors_scores_is_seen_as_a_specificity_that_is_not_reached(tmp_path):
    folder = write_run(tmp_path, rates=(1.0,), seeds=(0,), masks=("gumbel",), patients=96, images=4, source=("GE",))
    before = analyse(tmp_path, report=False)
    (key,) = before.run.records
    with np.load(folder.trial(key, "scores.npz")) as file:
        arrays = dict(file)
    theirs = (before.run.cohort.loc[arrays["row"], "vendor"] == "SIEMENS").to_numpy()
    arrays["score"] = arrays["score"] + np.float32(2.0) * theirs
    np.savez_compressed(folder.trial(key, "scores.npz"), **arrays)
    after = analyse(tmp_path, report=False)
    rows = [only_row(a.clinic.operating, scored_on="SIEMENS", rate="chosen") for a in (before, after)]
    assert rows[0]["specificity"] > 0.8
    assert rows[1]["specificity"] < 0.3
    assert rows[1]["sensitivity"] > rows[0]["sensitivity"]
    assert after.configurations["test_cross_domain"].equals(
        before.configurations["test_cross_domain"]
    )  # no AUC sees it
    of_ge = [only_row(a.clinic.operating, scored_on="GE", rate="chosen")["specificity"] for a in (before, after)]
    assert of_ge[0] == of_ge[1]


def test_brier_and_reliability_are_scikit_learns(analysis):
    row = only_row(analysis.clinic.calibration, trained_on="GE", scored_on="SIEMENS", rate="chosen")
    seeds = list(parts(analysis, "GE", "SIEMENS"))
    assert row["Brier"] == pytest.approx(np.mean([brier_score_loss(p["label"], expit(p["score"])) for p in seeds]))
    assert row["Brier of the prevalence"] == pytest.approx(brier_score_loss(seeds[0]["label"], np.full(96, 0.5)))
    assert row["low"] < row["Brier"] < row["high"]
    bins = analysis.clinic.reliability
    bins = bins[(bins["trained on"] == "GE") & (bins["scored on"] == "SIEMENS") & (bins["rate"] == "chosen")]
    pooled = pd.concat(seeds)
    observed, predicted = calibration_curve(pooled["label"], expit(pooled["score"]), n_bins=10)
    np.testing.assert_allclose(bins["observed"], observed)
    np.testing.assert_allclose(bins["predicted"], predicted)
    assert bins["images"].sum() == pytest.approx(96)


def test_subgroup_aucs_are_those_of_their_images(analysis):
    cohort, groups = analysis.run.cohort, analysis.clinic.subgroups
    assert set(groups["by"]) == {"field strength", "acquired matrix", "cohort of origin"}
    met = 0
    for _, row in groups[(groups["trained on"] == "GE") & (groups["by"] == "acquired matrix")].iterrows():
        inside = cohort.index[cohort["acquired_width"] == float(row["group"].split()[0])]
        seeds = [p[p["row"].isin(inside)] for p in parts(analysis, "GE", row["scored on"])]
        aucs = [auc(p["label"].to_numpy(), p["score"].to_numpy()) for p in seeds]
        assert row["chosen"] == pytest.approx(np.mean(aucs))
        assert row["chosen low"] < row["chosen"] < row["chosen high"]
        assert row["full sampling low"] < row["full sampling"] < row["full sampling high"]
        assert row["images"] == len(seeds[0])
        met += 1
    assert met == 4


def test_a_group_of_too_few_patients_has_no_number(tmp_path):
    write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=40)
    groups = analyse(tmp_path, report=False, epsilon=0.5).clinic.subgroups
    few = groups[groups[["with tumour", "without"]].min(axis=1) < PATIENTS]
    assert 0 < len(few) < len(groups)
    assert (few["note"] == "too few patients").all()
    assert few[["chosen", "chosen low", "full sampling"]].isna().all(axis=None)
    enough = groups.drop(few.index)
    assert enough[["chosen", "chosen low", "full sampling"]].notna().all(axis=None)


def test_what_is_not_recorded_is_said_and_names_are_not_shown():
    cohort = make_cohort(("GE",), 12, 2)
    plain = cohort.drop(columns=["field_t", "acquired_width"]).assign(width=64)
    tables, absent = subgroups(plain)
    assert tables == {}
    assert "No subgroups by field strength: not recorded." in absent
    assert "No subgroups by stored matrix: 64 wide for every image." in absent
    named = plain.assign(patient_id=[f"{'anna' if n % 2 else 'bob'}_{n // 6}" for n in range(len(plain))])
    assert named.groupby(named["patient_id"].str[0])["patient_id"].nunique().max() < SMALL_COLLECTION
    assert "cohort of origin" not in subgroups(named)[0]
    many = plain.assign(patient_id=[f"{'ISPY1' if n % 2 else 'Breast_MRI'}_{n // 2}" for n in range(len(plain))])
    assert set(subgroups(many)[0]["cohort of origin"]) == {"ISPY1", "Breast_MRI"}
    recorded = plain.assign(origin=["a", None] * 12, patient_id="x")
    recorded = recorded.assign(origin=lambda t: t["origin"].where(t.index > 3))
    recorded.loc[5, "origin"] = "b"
    groups = subgroups(recorded)[0]["cohort of origin"]
    assert set(groups.dropna()) == {"a", "b"}
    assert groups.isna().sum() > 0


def test_the_answers_are_in_the_page_the_file_and_the_terminal(analysis):
    page = analysis.report.read_text()
    names = ("operating-GE", "operating-SIEMENS", "reliability-GE", "operating", "calibration", "subgroups")
    assert all(f'id="{name}"' in page for name in names)
    assert "What a clinician asks" in page
    assert {"operating-GE", "reliability-SIEMENS"} <= set(figures(analysis))
    written = json.loads(analysis.selection_json.read_text())["clinic"]
    assert len(written["operating"]) == len(analysis.clinic.operating) == 8
    assert written["operating"][0]["sensitivity"] == pytest.approx(
        analysis.clinic.operating["sensitivity"][0], abs=1e-6
    )
    console = Console(record=True, width=80, file=io.StringIO())
    print_analysis(analysis, console)
    row = only_row(analysis.clinic.operating, trained_on="GE", scored_on="SIEMENS", rate="chosen")
    text = " ".join(console.export_text().split())
    assert f"GE on SIEMENS: sensitivity at 90 % validation specificity: chosen {row['sensitivity']:.3f}" in text


def test_without_scores_it_says_so(tmp_path):
    folder = write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12)
    for key in folder.keys():
        folder.trial(key, "scores.npz").unlink()
    analysis = analyse(tmp_path)
    assert analysis.clinic.operating.empty
    assert sum("no per-image scores" in text for text in analysis.clinic.absent) == 2
    assert "no per-image scores, so none of this can be computed" in analysis.report.read_text()


def test_a_sensitivity_of_too_few_patients_is_told_without_an_interval():
    row = {"trained on": "GE", "scored on": "SIEMENS", "specificity": 0.25}
    rows = [row | {"rate": "chosen", "sensitivity": 0.75, "low": math.nan, "high": math.nan}]
    rows.append(row | {"rate": "full sampling", "sensitivity": 0.5, "low": 0.4, "high": 0.6})
    assert sentences.operating(pd.DataFrame(rows)) == [
        "GE on SIEMENS: sensitivity at 90 % validation specificity: chosen 0.750 (specificity really reached 0.250), "
        "full sampling 0.500 [0.400, 0.600] (specificity really reached 0.250)."
    ]
