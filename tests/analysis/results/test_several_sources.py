"""A run that was trained on GE and SIEMENS and is tested on PHILIPS: both means, their intervals, and the words."""

import io
import math

import numpy as np
import pytest

from analysis import analyse
from analysis.choice.noninferior_run import validation_patients
from analysis.read.class_patients import class_patients
from analysis.results import headline, pointing, sentences, terminal
from analysis.results.comparators import comparator_of
from analysis.results.source_table import source_table
from analysis.statistics.bootstrap import average
from analysis.statistics.resampling import domain_draws
from synthetic_run import truth, write_run
from tune_ks.core.domains import FEWEST
from tune_ks.core.terminal import SafeConsole

BOTH = "GE+SIEMENS"
PATIENTS = 4 * FEWEST  # a quarter of them are test patients, so that every vendor is in its mean


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("several") / "run"
    shape = {"rates": (0.25, 1.0), "seeds": (0, 1), "masks": ("gumbel",), "patients": PATIENTS, "images": 4}
    write_run(root, ("GE", "PHILIPS", "SIEMENS"), source=(BOTH, "PHILIPS"), **shape)
    return analyse(root)


def test_both_means_and_their_draws_are_over_the_vendors_of_their_side(analysis):
    met = 0
    for key, record in analysis.run.records.items():
        if record.config.vendor != BOTH:
            continue
        met += 1
        draws = analysis.draws[key]
        for split in ("val", "test"):
            scores = getattr(record, split)
            assert record.in_domain(split) == pytest.approx((scores["GE"] + scores["SIEMENS"]) / 2)
            assert record.cross_domain(split) == pytest.approx(scores["PHILIPS"])
            inside = domain_draws(draws, BOTH, split, "in_domain")
            outside = domain_draws(draws, BOTH, split, "cross_domain")
            assert inside.point == pytest.approx(record.in_domain(split))
            assert outside.point == pytest.approx(record.cross_domain(split))
            parts = [draws[split, vendor] for vendor in ("GE", "SIEMENS")]
            np.testing.assert_array_equal(inside.draws, average(parts).draws)
            of_parts = math.hypot(*(part.error for part in parts)) / 2  # their patients are drawn apart
            assert inside.error == pytest.approx(of_parts, rel=0.2)
            without = {role: value for role, value in draws.items() if role != (split, "SIEMENS")}
            assert domain_draws(without, BOTH, split, "in_domain") is None
    assert met == 4


def test_the_truth_that_was_put_there_is_inside_the_intervals(analysis):
    table = analysis.configurations
    for row in table[table["vendor"] == BOTH].itertuples():
        assert row.test_in_domain_low < truth(row.sampling_rate, in_domain=True) < row.test_in_domain_high
        assert row.test_cross_domain_low < row.test_cross_domain < row.test_cross_domain_high


def test_patients_are_counted_over_both(analysis):
    run = analysis.run
    assert validation_patients(run, BOTH) == {"in_domain": 2 * FEWEST, "cross_domain": 3 * FEWEST}
    counts = class_patients(run.cohort, BOTH)
    assert counts["val GE"] == counts["val SIEMENS"] == (FEWEST, FEWEST)
    assert counts["val PHILIPS"] == (3 * FEWEST, 3 * FEWEST)
    selection = analysis.vendors[BOTH].selection
    assert headline.patients_of(run, selection, "in_domain") == ("GE and SIEMENS", 2 * FEWEST)
    assert headline.patients_of(run, selection, "cross_domain") == ("PHILIPS", FEWEST)


def test_the_transfer_loss_is_of_vendors_that_were_not_trained_on(analysis):
    losses = analysis.transfer
    assert set(zip(losses["tested on"], losses["trained on"])) == {("PHILIPS", BOTH)}
    assert losses["loss"].notna().all()


def test_tables_and_sentences_name_both(analysis):
    columns = set(source_table(analysis).columns)
    assert {f"{BOTH} tested on {vendor}" for vendor in ("GE", "PHILIPS", "SIEMENS")} <= columns
    assert f"{BOTH} tested on {BOTH}" not in columns
    selection = analysis.vendors[BOTH].selection
    said = sentences.plainly(selection, analysis.measure)
    assert "the model trained on GE+SIEMENS scores AUC" in said
    assert "on GE+SIEMENS patients" in said
    assert (
        sentences.plainly(selection, analysis.measure, "PHILIPS and UIH").count("on patients of PHILIPS and UIH;") == 1
    )
    page = analysis.report.read_text()
    assert "trained on GE+SIEMENS" in page
    assert "on patients of PHILIPS;" in page
    assert "validation of the vendors trained on only (GE+SIEMENS)" in page
    shown = io.StringIO()
    terminal.print_analysis(analysis, SafeConsole(file=shown, width=200))
    for text in (page, shown.getvalue()):  # one way of writing a pair: that of the command line and of the tables
        assert BOTH in text
        assert "GE + SIEMENS" not in text


def test_a_comparator_is_named_in_words():
    assert comparator_of({"invariance": "group_dro"}) == "group dro"


def test_a_point_of_most_evidence_is_in_domain_on_either_vendor_trained_on():
    row = dict.fromkeys(["hits", "hits_low", "hits_high", "random", "fixed", "area"], 0.5)
    row |= {"images": 4, "above_random_low": 0.1, "above_fixed_low": 0.1}
    said = {vendor: pointing._words(row | {"scored_on": vendor}, BOTH) for vendor in ("GE", "SIEMENS", "PHILIPS")}
    assert [text.partition(" ")[0] for text in said.values()] == ["in-domain", "in-domain", "cross-domain"]
