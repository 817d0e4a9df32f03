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
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_curve

from analysis import RunError, analyse, print_analysis
from analysis.__main__ import main
from analysis.analyse import last_settings
from analysis.choice.options import Options
from analysis.read.load import load
from analysis.read.trial_arrays import image_scores
from analysis.report.export import figures
from analysis.report.sections import SECTIONS
from analysis.results import sentences
from analysis.results.at_threshold import confusion, of_patients, predictive_values, roc
from analysis.results.clinic import roc_of
from analysis.results.compute import compute
from analysis.results.operating import resampled_share, resampled_thresholds
from analysis.results.reliability import equal_count_bins, number_of_bins
from analysis.results.subgroups import PATIENTS, SMALL_COLLECTION, subgroups
from analysis.statistics.bootstrap import Resampled, interval, patient_weights, resampled_mean
from one_section import section_of
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


def plain_bins(values, bins):
    """Fill the bins one after another from the lowest value on; a value equal to the one before joins its bin."""
    filled, before = [[]], None
    for place, value in enumerate(sorted(values)):
        if value != before and place >= len(values) * len(filled) / bins:
            filled.append([])
        filled[-1].append(value)
        before = value
    return filled


def test_bins_hold_equal_counts_and_never_part_equal_values():
    rng = np.random.default_rng(3)
    for bins in (1, 4, 6, 10):
        value = rng.random(61)
        computed = equal_count_bins(value, bins)
        assert [sorted(value[computed == number]) for number in range(bins)] == plain_bins(value, bins)
        assert np.ptp(np.bincount(computed)) <= 1
    # 4 bins of 3: the second 0.2 is the third lowest, and the third one goes with it, so bin 2 begins one later
    value = np.array([0.9, 0.2, 0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.8])
    assert equal_count_bins(value, 4).tolist() == [3, 0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
    assert (equal_count_bins(np.full(7, 0.5), 3) == 0).all()


@pytest.mark.parametrize(
    ("images", "positives", "bins"),
    [(1000, 500, 10), (96, 48, 4), (1000, 12, 2), (1000, 988, 2), (19, 9, 1), (400, 2, 1)],
)
def test_the_number_of_bins_leaves_images_of_both_classes_in_each(images, positives, bins):
    assert number_of_bins(images, positives) == bins


HAND = np.array([1, 1, 0, 1, 0, 0, 1, 0]), np.array([9.0, 8.0, 7.0, 6.0, 6.0, 3.0, 2.0, 1.0])  # label, score


def test_confusion_counts_and_the_roc_curve_by_hand():
    label, score = HAND
    assert confusion(label, score, 6.0) == (2, 1, 3, 2)  # tp, fp, tn, fn: a tie with the cut is negative
    assert confusion(label, score, 0.0) == (4, 4, 0, 0)
    assert confusion(label, score, 9.0) == (0, 0, 4, 4)
    false, true = roc(label, score)
    # up to (0, 2/4), one false, then a true and a false at once, one false, a true, a false
    assert false.tolist() == [0, 0, 0.25, 0.5, 0.75, 0.75, 1]
    assert true.tolist() == [0, 0.5, 0.5, 0.75, 0.75, 1, 1]


def corners(false, true):
    """The points of a curve at which its direction changes, and its ends."""
    kept = [(false[0], true[0])]
    for place in range(1, len(false) - 1):
        before = math.atan2(true[place] - true[place - 1], false[place] - false[place - 1])
        after = math.atan2(true[place + 1] - true[place], false[place + 1] - false[place])
        if abs(before - after) > 1e-9:
            kept.append((false[place], true[place]))
    return [*kept, (false[-1], true[-1])]


def test_the_roc_curve_is_the_corners_of_scikit_learns_and_its_area_the_auc():
    rng = np.random.default_rng(4)
    for _ in range(20):
        label = rng.permutation(np.arange(60) < 20).astype(int)
        score = np.round(rng.normal(label, 1), 1)
        false, true = roc(label, score)
        of_all_scores = roc_curve(label, score, drop_intermediate=False)
        np.testing.assert_allclose(np.column_stack([false, true]), corners(*of_all_scores[:2]))
        assert np.trapezoid(true, false) == pytest.approx(auc(label, score))


def no_spread(value):
    return Resampled(value, np.full(5, value), 5)


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "prevalence", "ppv", "npv"),
    [
        (0.9, 0.9, 0.5, 0.9, 0.9),
        (0.9, 0.9, 0.01, 9 / 108, 891 / 892),  # of 1000: 9 found, 99 false alarms; 891 well, 1 missed
        (0.5, 1.0, 0.2, 1.0, 8 / 9),
        (0.0, 1.0, 0.3, math.nan, 0.7),  # nothing is called positive
    ],
)
def test_predictive_values_by_hand(sensitivity, specificity, prevalence, ppv, npv):
    values = predictive_values(no_spread(sensitivity), no_spread(specificity), prevalence)
    assert [value.point for value in values] == pytest.approx([ppv, npv], nan_ok=True)
    for value in values:
        np.testing.assert_array_equal(value.draws, value.point)


def test_a_patient_is_positive_by_one_image_and_scored_by_the_highest():
    images = pd.DataFrame(
        [
            ("GE", "test", "b", 0, 5.0, 10, 3),
            ("GE", "test", "a", 0, 1.0, 11, 3),
            ("GE", "test", "b", 1, 2.0, 12, 3),
            ("GE", "val", "c", 0, -1.0, 13, 3),
            ("GE", "val", "c", 0, -4.0, 14, 3),
        ],
        columns=["vendor", "split", "patient_id", "label", "score", "row", "seed"],
    )
    patients = of_patients(images).set_index("patient_id")
    assert patients["label"].to_dict() == {"a": 0, "b": 1, "c": 0}
    assert patients["score"].to_dict() == {"a": 1, "b": 5, "c": -1}
    assert (patients["seed"] == 3).all()


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("clinic") / "run"
    write_run(root, rates=(0.25, 1.0), seeds=(0, 1), masks=("gumbel",), patients=96, images=4)
    return analyse(root, report=False, epsilon=0.3, prevalence=0.02)


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


@pytest.mark.parametrize("vendor", ["GE", "SIEMENS"])
def test_counts_of_each_seed_are_those_at_the_validation_threshold(analysis, vendor):
    rows = of_rate(analysis.clinic.confusion, vendor, "image")
    expected = {}
    keys = analysis.vendors["GE"].selection.keys
    for key, val, test in zip(keys, parts(analysis, "GE", "GE", "val"), parts(analysis, "GE", vendor)):
        cut = threshold(val["label"].to_numpy(), val["score"].to_numpy())
        matrix = confusion_matrix(test["label"], test["score"] > cut)  # [[tn, fp], [fn, tp]]
        seed = analysis.run.records[key].config.seed
        expected[seed] = [matrix[1, 1], matrix[0, 1], matrix[0, 0], matrix[1, 0]]
    assert rows["seed"].tolist() == [0, 1]
    assert rows[["TP", "FP", "TN", "FN"]].to_numpy().tolist() == [expected[0], expected[1]]
    points = {c.seed: c.point for c in roc_of(analysis.clinic, "GE", vendor) if c.rate == "chosen"}
    assert points == {seed: (fp / (fp + tn), tp / (tp + fn)) for seed, (tp, fp, tn, fn) in expected.items()}
    operating = only_row(analysis.clinic.operating, trained_on="GE", scored_on=vendor, rate="chosen")
    assert rows["sensitivity"].mean() == pytest.approx(operating["sensitivity"])
    assert rows["specificity"].mean() == pytest.approx(operating["specificity"])


def of_rate(table, vendor, unit):
    """The rows of what was chosen on GE."""
    where = (table["trained on"] == "GE") & (table["scored on"] == vendor) & (table["rate"] == "chosen")
    return table[where & (table["counted by"] == unit)]


def test_predictive_values_are_given_at_both_prevalences(analysis):
    rows = of_rate(analysis.clinic.predictive, "SIEMENS", "image")
    assert rows["stated by"].tolist() == ["these test data", "--prevalence"]
    assert rows["prevalence"].tolist() == [0.5, 0.02]
    confusion_table = of_rate(analysis.clinic.confusion, "SIEMENS", "image")
    shares = confusion_table[["TP", "FP", "TN", "FN"]].mean()  # as many images of each class in both seeds
    assert rows["PPV"].iloc[0] == pytest.approx(shares["TP"] / (shares["TP"] + shares["FP"]))
    assert rows["NPV"].iloc[0] == pytest.approx(shares["TN"] / (shares["TN"] + shares["FN"]))
    rare = rows.iloc[1]
    true, false = 0.02 * rare["sensitivity"], 0.98 * (1 - rare["specificity"])
    assert rare["PPV"] == pytest.approx(true / (true + false))
    assert rare["low"] < rare["PPV"] < rare["high"] < rows["PPV"].iloc[0]
    assert json.loads(analysis.selection_json.read_text())["made_with"]["prevalence"] == 0.02
    assert last_settings(analysis.run.root)["prevalence"] == 0.02


@pytest.mark.parametrize("given", ["0", "1", "-0.1", "5"])
def test_a_prevalence_that_is_no_share_is_refused(given, made, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(made), "--prevalence", given])
    assert ended.value.code == 2
    assert f"--prevalence must be a share between 0 and 1, got {given}" in capsys.readouterr().err
    with pytest.raises(RunError, match="prevalence is a share"):
        analyse(made, report=False, prevalence=float(given))


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
    observed, predicted = calibration_curve(pooled["label"], expit(pooled["score"]), n_bins=4, strategy="quantile")
    np.testing.assert_allclose(bins["observed"], observed)
    np.testing.assert_allclose(bins["predicted"], predicted)
    assert bins["images"].tolist() == [24] * 4  # 96 images of each seed, so 4 bins of 20 or more
    assert bins["with tumour"].sum() == pytest.approx(48)


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
    page = section_of(analysis, "clinic")
    names = ("operating-GE", "operating-SIEMENS", "reliability-GE", "operating", "calibration", "subgroups")
    names += ("roc-GE-on-GE", "roc-GE-on-SIEMENS", "predictive-values", "confusion", "reliability")
    assert all(f'id="{name}"' in page for name in names)
    assert SECTIONS["clinic"].title == "What a clinician asks"
    assert {"operating-GE", "reliability-SIEMENS", "roc-on-GE-SIEMENS"} <= set(figures(analysis))
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
    analysis = compute(load(tmp_path), "epsilon", Options())
    assert analysis.clinic.operating.empty
    assert sum("no per-image scores" in text for text in analysis.clinic.absent) == 2
    assert "no per-image scores, so none of this can be computed" in section_of(analysis, "clinic")


def test_a_sensitivity_of_too_few_patients_is_told_without_an_interval():
    row = {"trained on": "GE", "scored on": "SIEMENS", "specificity": 0.25}
    rows = [row | {"rate": "chosen", "sensitivity": 0.75, "low": math.nan, "high": math.nan}]
    rows.append(row | {"rate": "full sampling", "sensitivity": 0.5, "low": 0.4, "high": 0.6})
    assert sentences.operating(pd.DataFrame(rows)) == [
        "GE on SIEMENS: sensitivity at 90 % validation specificity: chosen 0.750 (specificity really reached 0.250), "
        "full sampling 0.500 [0.400, 0.600] (specificity really reached 0.250)."
    ]
