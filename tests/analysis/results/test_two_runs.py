"""Two runs beside each other: what is said against comparing them, and which curves are drawn."""

import json
import math
from types import SimpleNamespace

from analysis.results.run_row import choices_of, run_row
from analysis.results.two_runs import Side, choice_table, doubts, pairs
from synthetic_run import write_run
from tune_ks.core.config import TrialConfig

CHOICE = {"vendor": "GE", "rule": "knee", "rate": 0.25, "val_in_domain": 0.8, "test_in_domain": 0.7}


def side_of(name, search, metric="auc", curves=()):
    drawn = {at: SimpleNamespace(split=at[1]) for at in curves}
    return Side(name, search, metric, "3 finished", choices_of({"choices": [CHOICE]}), drawn)


def test_doubts_name_what_differs_and_what_is_not_known():
    cohort = {"cohort": {"fingerprint": "aaa"}, "split_seed": 0}
    first = side_of("A", cohort)
    assert doubts(first, side_of("B", cohort)) == []
    (said,) = doubts(first, side_of("B", {**cohort, "cohort": {"fingerprint": "bbb"}}))
    assert "aaa and bbb" in said
    (said,) = doubts(first, side_of("B", {**cohort, "split_seed": 4}))
    assert "0 and 4" in said
    (said,) = doubts(first, side_of("B", {"split_seed": 0}))
    assert said.endswith("search.json of B names none.")
    (said,) = doubts(first, side_of("B", cohort, "dice"))
    assert "AUC and Dice" in said


def test_the_first_split_that_both_have_is_drawn_and_none_of_two_metrics():
    test, val = ("GE", "test"), ("GE", "val")
    both = side_of("A", {}, curves=[test, val])
    drawn = [(pair.vendor, pair.split) for pair in pairs(both, side_of("B", {}, curves=[val]))]
    assert drawn == [val]
    (pair,) = pairs(both, side_of("B", {}))
    assert pair.split == "test"
    assert pair.sides[1] == ("B", None)
    assert pairs(both, side_of("B", {}, curves=[("SIEMENS", "val")]))[1].vendor == "SIEMENS"
    assert pairs(both, side_of("B", {}, "dice", curves=[test])) == []


def test_the_table_has_a_row_a_vendor_and_run():
    table = choice_table(side_of("A", {}), side_of("B", {}))
    assert table["run"].tolist() == ["A", "B"]
    assert table["scored on"].tolist() == ["test", "test"]
    assert table["in-domain"].tolist() == [0.7, 0.7]
    assert table["cross-domain"].isna().all()


def test_a_row_counts_trials_by_their_files_and_survives_any_selection(tmp_path):
    folder = write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12, source=("GE",))
    folder.write_failure(TrialConfig("GE", 0.3), "NaN")
    folder.write_config(TrialConfig("GE", 0.35))
    folder.write_config(TrialConfig("GE", 0.36))
    row = run_row("name", tmp_path, math.nan)
    assert row.counts == (2, 1, 0, 2)
    assert (row.space, row.cohort, row.synthetic) == ("synthetic", "0123456789ab", False)
    assert (row.choices, row.analysed) == ([], None)
    selection = {"choices": [CHOICE], "trials": {"finished": 1}, "metric": "auc"}
    (tmp_path / "selection.json").write_text(json.dumps({**selection, "choices": [{**CHOICE, "keys": []}]}))
    row = run_row("name", tmp_path, math.nan)
    assert (row.choices[0].vendor, row.analysed, row.choices[0].in_domain) == ("GE", 1, 0.7)
    for broken in ({"choices": 3}, {"choices": [4]}, {"choices": [{"rate": "x", "intervals": 5}]}, {"trials": []}):
        assert run_row("name", tmp_path, math.nan, broken).analysed == 0
    (tmp_path / "search.json").write_text("[")
    assert "search.json" in run_row("name", tmp_path, math.nan).fault
