"""A run of detection through the whole analysis: its words, its FROC, and the boxes over the preview images."""

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from analysis import analyse
from analysis.read.trial_arrays import Candidates, Preview, candidates
from analysis.report import page
from analysis.report.sections import froc, intervals_of_values, masks
from analysis.results.froc import froc_curves, froc_table
from analysis.results.marks import Mark, marks_of
from synthetic_run import TRIVIAL, write_run
from tune_ks.core.metrics import FALSE_POSITIVES, METRICS
from tune_ks.core.record import SPLIT_CODES

VENDORS = ("GE", "SIEMENS")


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("lroc") / "run"
    write_run(root, rates=(0.25, 1.0), seeds=(0, 1), masks=("gumbel",), patients=24, source=("GE",), metric="lroc")
    return analyse(root)


def test_the_page_speaks_of_lroc_and_shows_no_missed_score(analysis):
    html = analysis.report.read_text()
    words = re.sub(r"<script>.*?</script>|<style>.*?</style>", " ", html, flags=re.DOTALL)
    assert not re.search(r"\b(AUCs?|ROC|DeLong|Dice)\b", words), re.search(r".{60}\b(AUCs?|ROC|Dice)\b.{60}", words)
    assert not re.search(r"-1e\+?0?9|1000000000|\bInfinity\b", words)
    heads = re.findall(r"<h2>(.*?)</h2>", html)
    assert {"LROC against the rate", "Tumours found, and false alarms"} <= set(heads)
    assert not {"What a clinician asks", "Without a network", "Patients, not images"} & set(heads)
    assert "is over the pairs of an image with a tumour" in page.render(intervals_of_values.parts(analysis))
    assert "best fixed position" in words
    assert analysis.clinic.operating.empty


def test_an_interval_holds_its_point_and_the_yardstick_is_one_half_of_the_hits(analysis):
    for row in analysis.configurations.itertuples():
        assert row.test_in_domain_low < row.test_in_domain < row.test_in_domain_high
        above = row.above_baseline_in_domain
        assert above == pytest.approx(row.test_in_domain - TRIVIAL)
        of_seeds = [analysis.draws[key]["test", "GE"].point for key in row.keys]
        assert np.mean(of_seeds) == pytest.approx(row.test_in_domain)
    assert analysis.measure.resampled is not None
    assert METRICS["lroc"].title == analysis.measure.title == "LROC"


def test_the_froc_of_the_page_is_that_of_the_records(analysis):
    records = analysis.run.records
    table = froc_table(records, analysis.run.trials)
    assert len(table) == 2 * len(VENDORS)
    for row in table.to_dict("records"):
        rates = [r for r in records.values() if r.realised_rate == row["realised rate"]]
        means = [np.mean([r.test[row["test vendor"]] for r in rates]) * share for share in np.linspace(0.5, 1, 7)]
        assert [row[words] for words in FALSE_POSITIVES] == pytest.approx(means)
        assert row["seeds"] == 2
    curves = froc_curves(analysis, "GE")
    chosen = [records[key] for key in analysis.vendors["GE"].selection.keys]
    last = curves[(curves["sampling"] == "chosen") & (curves["words"] == "8")].set_index("domain")["sensitivity"]
    assert last["in_domain"] == pytest.approx(np.mean([record.test["GE"] for record in chosen]))
    assert last["cross_domain"] == pytest.approx(np.mean([record.test["SIEMENS"] for record in chosen]))
    html = page.render(froc.parts(analysis))
    assert 'id="froc-GE"' in html
    assert 'id="froc"' in html


def test_a_record_without_candidates_has_no_froc(analysis):
    assert froc_table({}, pd.DataFrame()).empty


def placed(logit, hit, true_box, row=(3,), split=(SPLIT_CODES["val"],), centre=(10, 20), size=(4.0, 6.0)):
    values = [np.array([[value]]) for value in (*centre, *size, logit)]
    return Candidates(np.array(row), np.array(split), *values, np.array([[hit]]), np.array([true_box]))


PREVIEW = Preview(np.array([3]), np.zeros((1, 32, 32), np.uint8), np.zeros((1, 32, 32), np.uint8))
NONE = [np.nan] * 4
CASES = {
    "found": (placed(1.5, True, [8, 18, 6, 6]), "found: ", ["found"]),
    "missed": (placed(1.5, False, [1, 1, 6, 6]), "missed: ", ["missed", "false"]),
    "no tumour": (placed(-2.0, False, NONE), "false: ", ["false"]),
    "another split": (placed(1.0, True, NONE, split=(1,)), "", []),
    "another image": (placed(1.0, True, NONE, row=(4,)), "", []),
    "no number": (placed(np.nan, False, [1, 1, 6, 6]), "", []),
    "infinite": (placed(np.inf, False, NONE), "", []),
    "outside": (placed(1.0, False, NONE, centre=(900, 900)), "", []),
    "no size": (placed(1.0, False, NONE, size=(np.nan, 1.0)), "", []),
    "negative": (placed(1.0, False, NONE, size=(-4.0, 1.0)), "", []),
}


@pytest.mark.parametrize("name", CASES)
def test_the_boxes_of_an_image_say_what_they_are(name):
    kept, words, kinds = CASES[name]
    (marks,) = marks_of(PREVIEW, kept)
    assert marks.words.startswith(words)
    assert bool(marks.words) == bool(words)
    assert [box.kind for box in marks.boxes] == kinds


def test_a_box_is_drawn_where_it_lies_and_no_further_than_the_image():
    ((_, (box,)),) = marks_of(PREVIEW, placed(1.5, True, [8, 18, 6, 6]))
    assert box == Mark("found", 8.5 / 32, 17.5 / 32, 4 / 32, 6 / 32)
    ((_, (box,)),) = marks_of(PREVIEW, placed(1.5, False, NONE, centre=(0, 31), size=(9.0, 1e30)))
    assert box == Mark("false", 0, 0, 5 / 32, 1)


def test_the_knob_holds_the_boxes_of_every_stop(analysis):
    html = page.render(masks.parts(analysis))
    states = json.loads(unescape(re.search(r'class="states">(.*?)</script>', html, re.DOTALL)[1]))
    met = set()
    for stops in states.values():
        for stop in stops:
            assert len(stop["marks"]) == len(stop["images"]) == 4
            for marks in stop["marks"]:
                met |= {box["kind"] for box in marks["boxes"]}
                for box in marks["boxes"]:
                    assert all(0 <= box[side] <= 100 for side in ("top", "left", "height", "width"))
    assert met == {"found", "missed", "false"}
    for word in ("found (green, solid)", "false (blue, dotted)", "missed (orange, dashed)"):
        assert word in html


def test_candidates_that_do_not_fit_together_are_not_read(tmp_path):
    folder = write_run(
        tmp_path, rates=(1.0,), seeds=(0,), masks=("gumbel",), patients=8, images=2, source=("GE",), metric="lroc"
    )
    (key,) = folder.keys()
    path = folder.trial(key, "candidates.npz")
    cohort = pd.read_csv(folder.cohort_csv)
    with np.load(path) as file:
        whole = dict(file)
    assert candidates(folder.root, key, cohort) is not None
    short = {name: values[:-1] for name, values in whole.items()}
    wrong = [{"hit": short["hit"]}, {"true_box": whole["true_box"][:, :3]}, {"row": whole["row"][:, None]}]
    wrong += [{"logit": whole["logit"][:, 0]}, {"hit": whole["logit"]}, {"row": whole["row"].astype(str)}]
    wrong += [{name: whole[name][:, :0] for name in Candidates._fields[2:8]}]
    for changes in wrong:
        np.savez(path, **whole | changes)
        assert candidates(folder.root, key, cohort) is None
    del whole["hit"]
    np.savez(path, **whole)
    assert candidates(folder.root, key, cohort) is None
