"""Trainings used together: AUC of the mean score by definition, paired intervals by hand, where there is none."""

import numpy as np
import pytest

from analysis.choice.options import Options
from analysis.read.load import load
from analysis.read.trial_arrays import image_scores
from analysis.report.page import render
from analysis.report.sections import ensembles as section
from analysis.results.compute import compute
from analysis.results.ensembles import mean_scores
from analysis.statistics.bootstrap import DRAWS, Resampled, interval, patient_weights
from synthetic_run import write_run
from tune_ks.core.metrics import auc

RATES = (0.25, 1.0)
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("together") / "run", rates=RATES, seeds=SEEDS, masks=("gumbel",))


@pytest.fixture(scope="module")
def analysis(folder):
    return compute(load(folder.root), "epsilon", Options(epsilon=0.5))


def test_the_metric_and_both_differences_are_those_by_hand(analysis):
    run = analysis.run
    weights = patient_weights(10, DRAWS, "SIEMENS")
    keys = [key for key, record in run.records.items() if record.config.vendor == "GE" and record.config.is_full]
    assert len(keys) == len(SEEDS)
    trainings = []
    for key in keys:
        images = image_scores(run.root, key, run.cohort)
        trainings.append(images[(images["split"] == "test") & (images["vendor"] == "SIEMENS")])
    label = trainings[0]["label"].to_numpy()
    mean = sum(images["score"].to_numpy() for images in trainings) / 3
    row = analysis.ensembles.set_index(["trained on", "tested on", "rate"]).loc[("GE", "SIEMENS", "1 (R = 1)")]
    assert row["trainings"] == 3
    assert row["AUC together"] == pytest.approx(auc(label, mean))
    assert row["AUC of one"] == pytest.approx(np.mean([auc(label, images["score"]) for images in trainings]))
    patients = np.unique(trainings[0]["patient_id"])
    assert len(patients) == 10

    def drawn(score):
        """The AUC on resampled patients: every image as often as its patient was drawn."""
        values = []
        for times in weights.astype(int):
            again = np.repeat(np.arange(len(label)), times[np.searchsorted(patients, trainings[0]["patient_id"])])
            values.append(auc(label[again], score[again]))
        return np.array(values)

    together = drawn(mean)
    ends = interval(Resampled(row["AUC together"], together, 10))
    assert (row["low"], row["high"]) == pytest.approx(ends)
    gains = together - np.mean([drawn(images["score"].to_numpy()) for images in trainings], axis=0)
    ends = interval(Resampled(row["gain"], gains, 10, floor=-1.0))
    assert row["gain"] == pytest.approx(row["AUC together"] - row["AUC of one"])
    assert (row["gain low"], row["gain high"]) == pytest.approx(ends)


def test_independent_errors_average_out(analysis):
    """The made scores of the seeds share the patients and nothing else: together they order better than one."""
    rows = analysis.ensembles
    assert len(rows) == 2 * 2 * 2  # the chosen rate and full sampling, of two vendors, on two
    assert (rows["gain"] > 0).all()
    assert rows["best without a network"].str.startswith("best one-number baseline").all()
    assert np.allclose(
        rows["AUC together"] - rows["above it"],
        [float(w.rpartition(", ")[2][:-1]) for w in rows["best without a network"]],
        atol=6e-4,
    )


def test_the_page_shows_the_table(analysis):
    html = render(section.parts(analysis))
    assert "used together" in html
    assert f"{analysis.ensembles['AUC together'].iloc[0]:.3f}" in html


def test_one_training_other_images_and_scores_without_classes_have_none(tmp_path, folder):
    one = write_run(tmp_path / "one", rates=RATES, seeds=(0,), masks=("gumbel",), patients=16)
    analysed = compute(load(one.root), "epsilon", Options())
    assert analysed.ensembles.empty
    assert list(section.parts(analysed)) == []
    dice = write_run(tmp_path / "dice", rates=RATES, masks=("gumbel",), patients=16, metric="dice")
    assert compute(load(dice.root), "epsilon", Options()).ensembles.empty
    run = load(folder.root)
    images = image_scores(run.root, next(iter(run.records)), run.cohort)
    assert mean_scores([images, None]) is None
    assert mean_scores([images, images[1:]]) is None
    doubled = images.assign(score=3 * images["score"])
    assert np.allclose(mean_scores([images, doubled])["score"], 2 * images["score"])
