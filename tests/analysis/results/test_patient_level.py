"""AUC of patients and breasts: pools by definition, intervals by hand, and a sentence where it is undefined."""

import numpy as np
import pandas as pd
import pytest

from analysis.choice.options import Options
from analysis.read.load import load
from analysis.read.trial_arrays import image_scores
from analysis.report.page import render
from analysis.report.sections import patient_level as section
from analysis.results.compute import compute
from analysis.results.patient_level import external_level, patient_level, sentences
from analysis.results.pooling import POOLS
from analysis.statistics.bootstrap import DRAWS, Resampled, patient_weights
from analysis.statistics.estimate import estimate
from synthetic_run import write_run
from tune_ks.core.metrics import auc

RATES = (0.25, 1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every second test patient of GE has no positive image; all of SIEMENS have one."""
    root = tmp_path_factory.mktemp("patients") / "run"
    folder = write_run(root, rates=RATES, seeds=(0, 1), masks=("gumbel",), patients=24, images=4)
    cohort = pd.read_csv(folder.cohort_csv)
    number = cohort["patient_id"].str[-3:].astype(int)
    without = (cohort["vendor"] == "GE") & number.isin([3, 11, 19])
    cohort.loc[without, "label"] = 0
    cohort["breast"] = np.where(cohort["path"].str[-5].astype(int) < 2, "L", "R")
    cohort.to_csv(folder.cohort_csv, index=False)
    return folder


@pytest.fixture(scope="module")
def analysis(folder):
    return compute(load(folder.root), "epsilon", Options(epsilon=0.5))


def by_definition(pool, scores):
    """One score of a list of logits, from its words."""
    if pool == "maximum":
        return max(scores)
    none = 1.0
    for score in scores:
        none *= 1 - 1 / (1 + np.exp(-score))
    return np.log((1 - none) / none)


def units_of(images, unit, pool):
    """patient of each unit, its label, its score: image by image."""
    rows = []
    for _, of_unit in images.groupby(["patient_id", *(["breast"] if unit == "breast" else [])]):
        score = by_definition(pool, of_unit["score"].tolist())
        rows.append((of_unit["patient_id"].iloc[0], of_unit["label"].max(), score))
    return pd.DataFrame(rows, columns=["patient", "label", "score"])


def test_the_pools_are_their_definitions_and_finite_for_extreme_scores():
    assert set(POOLS) == {"maximum", "noisy_or"}
    rng = np.random.default_rng(0)
    score = rng.normal(size=40)
    unit = rng.integers(0, 7, 40)
    for name, pool in POOLS.items():
        pooled = pool(score, unit, 7)
        expected = [by_definition(name, score[unit == number]) for number in range(7)]
        np.testing.assert_allclose(pooled, expected)
        assert np.isfinite(pool(np.array([-300.0, 300.0, 300.0]), np.array([0, 1, 1]), 2)).all()


def auc_by_pairs(label, score):
    """The share of pairs of a positive and a negative that the score orders rightly; NaN without such a pair."""
    positive = score[label == 1][:, None]
    negative = score[label == 0][None]
    if not positive.size or not negative.size:
        return np.nan
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


@pytest.mark.parametrize(("unit", "counts", "pool"), [("patient", (3, 3), "noisy_or"), ("breast", (6, 6), "maximum")])
def test_auc_interval_and_difference_are_those_by_hand(folder, analysis, unit, counts, pool):
    run = analysis.run
    weights = patient_weights(6, DRAWS, "GE")
    seeds = {}
    for record in run.records.values():
        images = image_scores(run.root, record.config.key(), run.cohort)
        images["breast"] = run.cohort.loc[images["row"], "breast"].to_numpy()
        images = images[(images["split"] == "test") & (images["vendor"] == "GE")]
        units = units_of(images, unit, pool)
        place = np.searchsorted(sorted(set(units["patient"])), units["patient"])
        label = units["label"].to_numpy()
        score = units["score"].to_numpy()
        drawn = []
        for weight in weights:
            copies = np.repeat(np.arange(len(units)), weight[place].astype(int))
            drawn.append(auc_by_pairs(label[copies], score[copies]))
        point = auc(label, score)
        if record.config.vendor == "GE":
            seeds.setdefault(record.config.sampling_rate, []).append(Resampled(point, np.array(drawn), counts[0]))
    table = patient_level(analysis).table
    rows = table.query("unit == @unit and `trained on` == 'GE' and `pooled by` == @pool.replace('_', '-')")
    rows = rows.set_index("rate")
    assert rows["tested on"].tolist() == ["GE", "GE"]
    assert tuple(rows[["with", "without"]].iloc[0]) == counts
    low_rate = estimate(seeds[0.25])
    assert rows["AUC"][0.25] == pytest.approx(low_rate.point)
    apart = estimate(seeds[0.25], seeds[1.0])
    assert rows["minus full"][0.25] == pytest.approx(apart.point)
    assert np.isnan(rows["minus full"][1.0])
    if unit == "patient":  # of breasts the interval's sample size is that of patients, not of the units here
        assert rows[["low", "high"]].loc[0.25].tolist() == pytest.approx(list(low_rate.interval()))


def test_where_every_patient_has_the_label_one_sentence_says_so(analysis):
    level = patient_level(analysis)
    assert set(level.table["tested on"]) == {"GE"}
    (of_patients,) = [note for note in level.notes if "patients" in note]
    assert of_patients.startswith(
        "SIEMENS: no AUC of patients: each of the 6 patients tested has the label, so what is"
    )
    assert sum(line.startswith("Test AUC by patient, trained on") for line in sentences(level)) == 2
    text = render(section.parts(analysis))
    assert "AUC by patient, test patients" in text
    assert "SIEMENS: no AUC of patients" in text


def test_another_cohort_has_its_own_table_or_sentence(folder):
    keys = folder.finished()
    patient = np.repeat([f"PHILIPS_{number:02}" for number in range(14)], 4)
    tables = []
    for number, key in enumerate(keys):
        score = np.random.default_rng(number).normal(size=56)
        images = {"key": key, "row": np.arange(56), "vendor": "PHILIPS", "patient_id": patient}
        tables.append(pd.DataFrame({**images, "label": np.arange(56) % 2, "score": score}))
    path = folder.root / "external" / "other_scores.csv"
    path.parent.mkdir()
    pd.concat(tables).to_csv(path, index=False)
    analysis = compute(load(folder.root), "epsilon", Options(epsilon=0.5))
    level = external_level(analysis, "other")
    assert level.table.empty
    assert level.notes == [
        "PHILIPS: no AUC of patients: each of the 14 patients tested has the label, so what is measured is which "
        "images show it, not who has it."
    ]
    scores = pd.read_csv(path, dtype={"key": str})
    scores.loc[scores["patient_id"].str[-1].isin(list("02468")), "label"] = 0
    scores.to_csv(path, index=False)
    level = external_level(analysis, "other")
    assert level.notes == []
    row = level.table.query("`trained on` == 'GE' and rate == 1 and `pooled by` == 'maximum'").iloc[0]
    of_key = [scores[scores["key"] == key] for key in keys]
    full = [images for key, images in zip(keys, of_key) if folder.read_config(key).vendor == "GE"]
    full = [images for images in full if folder.read_config(images["key"].iloc[0]).is_full]
    values = []
    for images in full:
        units = units_of(images, "patient", "maximum")
        values.append(auc(units["label"].to_numpy(), units["score"].to_numpy()))
    assert row["AUC"] == pytest.approx(np.mean(values))
    assert (row["with"], row["without"]) == (7, 7)
