"""Yardsticks in the analysis: intervals by hand, what a network must beat, and whether it is fit to judge a rate."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from analysis import print_analysis
from analysis.choice.options import Options
from analysis.read.load import load
from analysis.report import page
from analysis.report.sections import baselines, curves, front, trivial
from analysis.results.compute import compute
from analysis.results.fitness import FIT, NO_NETWORK, UNDERFIT, UNKNOWN, about_rivals, ending
from analysis.results.headline import headline
from analysis.results.selection_json import selection_text
from analysis.results.yardsticks import COLUMNS, yardstick_curves
from analysis.statistics.bootstrap import Resampled, interval, patient_weights
from synthetic_run import write_run
from tune_ks.core.metrics import auc
from tune_ks.core.record import SPLIT_CODES, yardstick_column
from tune_ks.core.run_folder import RunFolder

NAME = "linear_on_35_numbers"
RUN = {"rates": (0.25, 1.0), "seeds": (0, 1, 2), "patients": 60, "images": 4}


def add_yardstick(folder, true_auc, name=NAME):
    """Give every trial of a folder a yardstick of this expected AUC; its scores share nothing with the network's."""
    cohort = pd.read_csv(folder.cohort_csv)
    for key in folder.finished():
        path = folder.trial(key, "scores.npz")
        with np.load(path) as file:
            arrays = dict(file)
        label = cohort["label"].to_numpy()[arrays["row"]]
        rng = np.random.default_rng(5)
        score = rng.normal(size=len(label)) + np.sqrt(2) * norm.ppf(true_auc) * label
        np.savez_compressed(path, **arrays, **{yardstick_column(name): score.astype(np.float32)})
        vendors = cohort["vendor"].to_numpy()[arrays["row"]]
        measured = {}
        for split, code in SPLIT_CODES.items():
            measured[split] = {}
            for vendor in np.unique(vendors):
                here = (arrays["split"] == code) & (vendors == vendor)
                measured[split][vendor] = auc(label[here], score[here].astype(np.float32))
        record = folder.trial(key, "record.json")
        values = json.loads(record.read_text())
        record.write_text(json.dumps(values | {"yardsticks": {**values.get("yardsticks", {}), name: measured}}))


def computed(root):
    return compute(load(root), "epsilon", Options())


def with_histories(folder, history):
    for key in folder.finished():
        record = folder.trial(key, "record.json")
        record.write_text(json.dumps(json.loads(record.read_text()) | {"history": history}))


def flat(epochs=20):
    return [{"epoch": e, "loss": 0.3, "val_in_domain": 0.8} for e in range(1, epochs + 1)]


def test_a_run_without_yardsticks_is_analysed_as_before(of_made):
    analysis = of_made
    assert analysis.yardsticks.empty
    assert list(analysis.yardsticks) == list(COLUMNS)
    assert analysis.configurations["best_yardstick"].str.startswith("best one-number baseline (").all()
    assert "These records hold no yardstick" in page.render(baselines.parts(analysis))


@pytest.fixture(scope="module")
def flat_run(tmp_path_factory):
    """A run without yardsticks whose trainings have ended; to be copied."""
    folder = write_run(tmp_path_factory.mktemp("flat") / "run", **RUN)
    with_histories(folder, flat())
    return folder.root


@pytest.fixture
def folder(flat_run, tmp_path):
    """A copy of it."""
    return RunFolder(shutil.copytree(flat_run, tmp_path / "run"))


@pytest.fixture(scope="module")
def analysis(flat_run, tmp_path_factory):
    """Of the same run with a good yardstick, which the network is not above."""
    folder = RunFolder(shutil.copytree(flat_run, tmp_path_factory.mktemp("yardstick") / "run"))
    add_yardstick(folder, 0.99)
    return computed(folder.root)


def test_a_yardstick_has_its_metrics_and_paired_intervals(analysis):
    table = analysis.yardsticks
    assert len(table) == len(analysis.configurations) == 6
    assert set(table["yardstick"]) == {"linear on 35 numbers"}
    for row in table.itertuples():
        records = [analysis.run.records[key] for key in _keys(analysis, row)]
        other = "SIEMENS" if row.vendor == "GE" else "GE"
        assert row.test_in_domain == pytest.approx(np.mean([r.yardsticks[NAME]["test"][row.vendor] for r in records]))
        assert row.val_cross_domain == pytest.approx(np.mean([r.yardsticks[NAME]["val"][other] for r in records]))
        network = np.mean([record.in_domain("test") for record in records])
        assert row.above_in_domain == pytest.approx(network - row.test_in_domain)
        assert row.above_in_domain_low < row.above_in_domain < row.above_in_domain_high
        assert row.test_in_domain_low < row.test_in_domain < row.test_in_domain_high


def _keys(analysis, row):
    table = analysis.configurations
    return table.loc[table["configuration"] == row.configuration, "keys"].iloc[0]


def test_the_paired_interval_is_a_bootstrap_by_hand(tmp_path):
    folder = write_run(tmp_path, rates=(1.0,), seeds=(0,), masks=("gumbel",), patients=24)
    add_yardstick(folder, 0.95)
    analysis = computed(tmp_path)
    (row,) = [row for row in analysis.configurations.itertuples() if row.vendor == "GE"]
    with np.load(folder.trial(row.keys[0], "scores.npz")) as file:
        kept = file["split"] == 1
        by_row = dict(zip(file["row"][kept].tolist(), zip(file["score"][kept], file[yardstick_column(NAME)][kept])))
    cohort = analysis.run.cohort
    images = cohort[(cohort["split"] == "test") & (cohort["vendor"] == "GE")]
    patients = np.unique(images["patient_id"])
    rows_of = {patient: images["row"][images["patient_id"] == patient].tolist() for patient in patients}

    def difference(rows):
        label = images.loc[rows, "label"].to_numpy()
        network, yardstick = np.array([by_row[number] for number in rows]).T
        return auc(label, network) - auc(label, yardstick)

    drawn = []
    for draw in patient_weights(len(patients), 1000, "GE"):
        rows = []
        for patient, count in zip(patients, draw):
            rows += rows_of[patient] * int(count)
        drawn.append(difference(rows))
    expected = interval(Resampled(difference(images["row"].tolist()), np.array(drawn), len(patients), -1.0))
    assert row.above_baseline_in_domain == pytest.approx(difference(images["row"].tolist()))
    assert row.above_baseline_in_domain_low == pytest.approx(expected.low)
    assert row.above_baseline_in_domain_high == pytest.approx(expected.high)


def test_what_must_be_beaten_is_the_best_of_all(tmp_path):
    folder = write_run(tmp_path, **RUN | {"masks": ("gumbel",), "patients": 120})
    add_yardstick(folder, 0.55)  # worse than the one-number baseline
    analysis = computed(tmp_path)
    assert not [text for text in analysis.warnings if "no evidence that anything was learned" in text]
    assert analysis.configurations["best_yardstick"].str.contains("one-number").all()
    add_yardstick(folder, 0.97, "second")
    analysis = computed(tmp_path)
    assert analysis.configurations["best_yardstick"].str.startswith("best yardstick (second, 0.9").all()
    said = [text for text in analysis.warnings if "no evidence that anything was learned" in text]
    assert [text.split(":")[0] for text in said] == ["GE", "SIEMENS"]
    assert all("is not above the best yardstick (second, 0.9" in text for text in said)


def test_scores_that_are_absent_cost_the_intervals_only(folder):
    add_yardstick(folder, 0.8)
    for key in folder.finished():
        folder.trial(key, "scores.npz").unlink()
    table = computed(folder.root).yardsticks
    assert table["test_in_domain"].notna().all()
    assert table[["test_in_domain_low", "above_in_domain"]].isna().all(axis=None)


def test_the_page_shows_them_on_every_curve_and_in_a_table(analysis):
    html = page.render([*front.parts(analysis), *curves.parts(analysis), *baselines.parts(analysis)])
    for split in ("test", "val"):
        for vendor in ("GE", "SIEMENS"):
            assert f'id="curves-{split}-{vendor}"' in html
            figure = curves.figure(analysis, vendor, split, "").plotly_json
            assert figure.count("linear on 35 numbers, images of") >= 4  # two families, two domains
    assert '<table id="yardsticks">' in html


def add_dice(folder, level, name):
    """Give every trial a yardstick whose Dice is ``level``, a little less for every second of its test patients."""
    cohort = pd.read_csv(folder.cohort_csv)
    for key in folder.finished():
        path = folder.trial(key, "scores.npz")
        with np.load(path) as file:
            arrays = dict(file)
        label = cohort["label"].to_numpy()[arrays["row"]]
        score = np.where(label == 1, level - 0.02 * (arrays["row"] // 16 % 2), np.nan)
        np.savez_compressed(path, **arrays, **{yardstick_column(name): score.astype(np.float32)})
        measured = {split: {"GE": level - 0.01, "SIEMENS": level - 0.01} for split in SPLIT_CODES}
        values = folder.read_record(key).yardsticks or {}
        change_record(folder, key, {"yardsticks": {**values, name: measured}})


def change_record(folder, key, changed):
    record = folder.trial(key, "record.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | changed))


FEW = {"rates": (0.125, 0.25, 1.0), "seeds": (0,), "masks": ("lowpass",), "patients": 24, "images": 4}


def test_of_several_yardsticks_the_best_in_validation_is_shown_and_some_records_may_lack_one(tmp_path):
    folder = write_run(tmp_path, **FEW)
    add_yardstick(folder, 0.8, "first")
    add_yardstick(folder, 0.9, "second")
    lacking = [key for key in folder.finished() if folder.read_record(key).config.sampling_rate == 0.25]
    for key in lacking:  # as where a search went on with SEARCH["yardsticks"] changed
        change_record(folder, key, {"yardsticks": {"first": folder.read_record(key).yardsticks["first"]}})
    analysis = computed(tmp_path)
    table = analysis.yardsticks
    assert len(table) == 2 * (2 + 1 + 2)
    for _, rows in table.groupby("configuration"):
        assert rows["best"].sum() == 1
        assert rows.loc[rows["best"], "val_in_domain"].item() == rows["val_in_domain"].max()
    (curve,) = yardstick_curves(table[table["vendor"] == "GE"])
    assert curve.name == "best of second, first"
    assert curve.scores["yardstick"].tolist() == ["second", "first", "second"]
    drawn = curves.figure(analysis, "GE", "test", "").plotly_json
    assert drawn.count("best of second, first, images of lowpass") == 2  # two domains; the others stand in the table
    assert "images of lowpass, in-domain" in drawn
    assert page.render(baselines.parts(analysis)).count(">second<") == 4  # two rates and two vendors


def test_a_trial_without_a_network_is_said_to_be_one(tmp_path):
    folder = write_run(tmp_path, **FEW)
    add_yardstick(folder, 0.99, "svm")
    for key in folder.finished():
        change_record(folder, key, {"facts": {**folder.read_record(key).facts, "scored_by": "svm"}})
    analysis = computed(tmp_path)
    fitness = analysis.vendors["GE"].fitness
    assert fitness.verdict == NO_NETWORK
    assert fitness.sentence == (
        "GE: no network was trained: the classical method answers that validation images of GE choose (svm at full "
        "sampling)."
    )
    said = headline(analysis, "GE")
    assert "no network was trained" in said
    assert "underfit" not in said
    assert "it was trained once" not in said
    assert analysis.configurations["best_yardstick"].str.startswith("best one-number baseline (").all()
    assert yardstick_curves(analysis.yardsticks[analysis.yardsticks["vendor"] == "GE"]) == []


def test_a_network_that_outlines_is_compared_with_the_best_yardstick_of_dice(tmp_path):
    folder = write_run(tmp_path, **FEW, metric="dice")
    add_dice(folder, 0.2, "fwhm")
    assert computed(tmp_path).configurations["best_yardstick"].str.startswith("answer that ignores").all()
    add_dice(folder, 0.95, "otsu")
    analysis = computed(tmp_path)
    assert analysis.configurations["best_yardstick"].str.startswith("best yardstick (otsu, 0.9").all()
    said = [text for text in analysis.warnings if "no evidence that anything was learned" in text]
    assert [text.split(":")[0] for text in said] == ["GE", "SIEMENS"]
    row = analysis.yardsticks[analysis.yardsticks["yardstick"] == "otsu"].iloc[0]
    assert row["test_in_domain_low"] < 0.94 < row["test_in_domain_high"]
    assert row["above_in_domain_high"] < 0
    shown = page.render(trivial.parts(analysis))
    assert '<table id="yardsticks">' in shown
    assert "otsu is a threshold between two classes of pixels" in shown


def test_a_yardsticks_curve_ends_at_full_sampling(analysis):
    table = analysis.yardsticks
    curves = yardstick_curves(table[table["vendor"] == "GE"])
    assert [curve[:2] for curve in curves] == [("linear on 35 numbers", mask) for mask in ("gumbel", "lowpass")]
    assert all(curve.scores["realised_rate"].tolist() == [0.25, 1.0] for curve in curves)


def test_a_network_above_its_yardstick_with_flat_curves_is_fit_as_far_as_can_be_told(folder):
    add_yardstick(folder, 0.6)
    fitness = computed(folder.root).vendors["GE"].fitness
    assert fitness.verdict == FIT
    assert fitness.sentence.startswith(
        "GE: fit as far as can be told: at full sampling over the last fifth of 20 epochs"
    )
    assert "is above the best one-number baseline" in fitness.sentence
    assert "no other network" in fitness.sentence


def test_a_network_below_its_yardstick_is_underfit_everywhere_it_is_said(analysis, capsys):
    print_analysis(analysis)
    verdict = json.loads(selection_text(analysis, {}))["fitness"]["GE"]
    assert verdict["verdict"] == UNDERFIT
    assert len(verdict["reasons"]) == 1
    assert "is not above the best yardstick (linear on 35 numbers, 0.9" in verdict["reasons"][0]
    sentence = verdict["sentence"]
    assert "underfit: rates judged by this network are lower bounds of what k-space is worth" in sentence
    assert sentence in capsys.readouterr().out.replace("\n", "")
    assert sentence.partition("(")[0] in page.render(front.parts(analysis))


def test_training_that_still_improves_is_underfit(folder):
    rising = [{"epoch": e, "loss": 1 - 0.03 * e, "val_in_domain": 0.6 + 0.01 * e} for e in range(1, 21)]
    with_histories(folder, rising)
    fitness = computed(folder.root).vendors["GE"].fitness
    assert fitness.verdict == UNDERFIT
    assert "training is not finished: over the last fifth of 20 epochs" in fitness.sentence
    assert "by +0.040 (best epoch 20, 20, 20)" in fitness.sentence


@pytest.mark.parametrize(
    ("loss", "metric", "falls", "rises"),
    [
        (lambda e: 1 - 0.03 * e, lambda e: 0.6 + 0.01 * e, True, True),
        (lambda e: 1 - 0.03 * e, lambda e: 0.9 - 0.01 * e, True, False),  # it overfits
        (lambda e: 0.5, lambda e: 0.8, False, False),
    ],
)
def test_how_a_training_ended(loss, metric, falls, rises):
    history = [{"epoch": e, "loss": loss(e), "val_in_domain": metric(e)} for e in range(1, 21)]
    ended = ending([history, history[:1], []])
    assert (ended.fall > 0.01, ended.rise > 0.005) == (falls, rises)
    last, before = [np.mean([metric(e) for e in epochs]) for epochs in (range(17, 21), range(13, 17))]
    assert ended.rise == pytest.approx(last - before)
    assert ended.best == [1 + int(np.argmax([metric(e) for e in range(1, 21)]))]
    assert ending([[], history[:1]]) is None


def test_a_clearly_better_classifier_of_the_same_run_makes_it_underfit(tmp_path):
    better = {"alexnet": 0.75, "resnet18": 0.97}
    for name, level in better.items():
        write_run(
            tmp_path, **RUN | {"masks": ("gumbel",)}, classifier=name, true_auc=lambda rate, *_, level=level: level
        )
    with_histories(RunFolder(tmp_path), flat())
    analysis = computed(tmp_path)
    full = analysis.configurations[analysis.configurations["full"].astype(bool)]
    assert set(full["classifier"]) == set(better)
    of_vendor = analysis.vendors["GE"].configurations
    findings = []
    for _, row in full[full["vendor"] == "GE"].iterrows():
        findings.append(about_rivals(row, of_vendor, analysis.draws, analysis.measure))
    (reason,) = [finding.words for finding in findings if finding.speaks_against]
    assert len(findings) == 2
    assert reason.startswith("classifier resnet18 is clearly better: +0.")


def test_without_full_sampling_fitness_is_unknown(tmp_path):
    write_run(tmp_path, **RUN | {"rates": (0.25, 0.5)})
    fitness = computed(tmp_path).vendors["GE"].fitness
    assert fitness.verdict == UNKNOWN
    assert "full sampling (rate 1) has no finished trial" in fitness.sentence
