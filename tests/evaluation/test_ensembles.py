"""Trainings that differ in their seed as one model: who belongs together, the mean score, and its threshold."""

import math

import numpy as np
import pandas as pd
import pytest

from synthetic_run import write_run
from tune_ks.core.config import is_key
from tune_ks.core.operating_point import threshold
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.evaluation.ensembles import ensembles_of, with_ensembles
from tune_ks.evaluation.operating_point import operating_point


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made(tmp_path_factory.mktemp("seeds") / "run")


def made(root):
    """Three seeds of two vendors and rates, whose cohort table has every column of a real one."""
    run = write_run(root, rates=(0.25, 1.0), masks=("gumbel",), patients=16)
    table = pd.read_csv(run.cohort_csv)
    table.reindex(columns=list(dict.fromkeys([*COLUMNS, *table.columns]))).to_csv(run.cohort_csv, index=False)
    return run


def test_trials_that_differ_in_their_seed_belong_together(run):
    ensembles = ensembles_of(run, run.finished())
    assert len(ensembles) == 4
    for name, keys in ensembles.items():
        assert not is_key(name)
        configs = [run.read_config(key) for key in keys]
        assert sorted(config.seed for config in configs) == [0, 1, 2]
        assert len({(config.vendor, config.sampling_rate) for config in configs}) == 1
    one_of_each = [keys[0] for keys in ensembles.values()]
    assert ensembles_of(run, one_of_each) == {}


def test_the_mean_score_of_each_image_stands_behind_the_trainings():
    rows = [("a", 7, 1.0), ("a", 8, 2.0), ("b", 8, 4.0), ("b", 7, -2.0), ("c", 7, 9.0)]
    scores = pd.DataFrame(rows, columns=["key", "row", "score"])
    both = with_ensembles(scores, {"ensemble-x": ["a", "b"]})
    pd.testing.assert_frame_equal(both[:5], scores)
    assert both[5:].to_numpy().tolist() == [["ensemble-x", 7, -0.5], ["ensemble-x", 8, 3.0]]
    assert with_ensembles(scores, {}).equals(scores)


def test_the_threshold_is_that_of_the_mean_scores_in_validation(run):
    keys = next(iter(ensembles_of(run, run.finished()).values()))
    records = [run.read_record(key) for key in keys]
    point = operating_point(run, *records)
    cohort = pd.read_csv(run.cohort_csv)
    total = np.zeros(len(cohort))
    for key in keys:
        saved = np.load(run.trial(key, "scores.npz"), allow_pickle=False)
        total[saved["row"]] += saved["score"]
    of_validation = (cohort["split"] == "val") & (cohort["vendor"] == records[0].config.vendor)
    label = cohort.loc[of_validation, "label"].to_numpy()
    mean = total[of_validation] / 3
    assert point.threshold == pytest.approx(threshold(label, mean))
    assert point.specificity == pytest.approx((mean[label == 0] <= point.threshold).mean())
    assert point.sensitivity == pytest.approx((mean[label == 1] > point.threshold).mean())


def test_trainings_of_other_validation_images_have_no_threshold_together(tmp_path):
    run = made(tmp_path / "run")
    first, second, _ = (run.read_record(key) for key in next(iter(ensembles_of(run, run.finished()).values())))
    path = run.trial(second.config.key(), "scores.npz")
    saved = np.load(path, allow_pickle=False)
    half = {name: saved[name][len(saved["row"]) // 2 :] for name in ("row", "split", "score")}
    with path.open("wb") as file:
        np.savez(file, **half)
    point = operating_point(run, first, second)
    assert math.isnan(point.threshold)
    assert point.why_not == "no threshold: the trainings were not validated on the same images"
