"""CSV files of a run folder: no cell is a formula for a spreadsheet, and every text is read back as it was."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_ks.core.tables import guarded, read_csv, unguarded, write_csv
from tune_ks.data.cohort.table import COLUMNS, read_table, write_table

FORMULAS = ["=cmd|' /C calc'!A0", "-1+cmd|x", "+1-2", "@SUM(A1)", "\t=1", "\r=1", "-x", "-1e", "--1", "+", "-1 2"]
PLAIN = ["-1", "+49", "-.5", "1.5e-3", "-2E10", "001", "a-b", "a=b", "'", "'tis", "é", ""]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_a_quote(text):
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_numbers_and_plain_texts_stay(text):
    assert guarded(text) == unguarded(text) == text


@given(st.text(alphabet="=+-@\t\r\n'1.eEa|", max_size=8))
def test_every_text_comes_back(text):
    assert unguarded(guarded(text)) == text
    assert unguarded(text) == text or text.startswith("'")  # an older file has no quotes to take away


def test_a_table_is_read_back_and_holds_no_formula(tmp_path):
    texts = [*FORMULAS, *filter(None, PLAIN), "''=1", "'=1"]
    table = pd.DataFrame({"row": range(len(texts)), "path": texts, "value": [-0.5] * len(texts)})
    write_csv(tmp_path / "t.csv", table)
    again = read_csv(tmp_path / "t.csv", dtype={"path": str}, keep_default_na=False)
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    cells = [row["path"] for row in csv.DictReader(io.StringIO((tmp_path / "t.csv").read_bytes().decode(), newline=""))]
    assert [cell for cell, text in zip(cells, texts) if text in FORMULAS and cell[0] != "'"] == []


def test_ids_and_paths_of_a_cohort_come_back(tmp_path):
    table = pd.DataFrame(
        {name: ["-1+cmd|x", "=A1"] if name in ("path", "patient_id") else ["1", "1"] for name in COLUMNS}
    )
    table["row"] = [0, 1]
    write_table(tmp_path / "cohort.csv", table)
    assert read_table(tmp_path / "cohort.csv")[["path", "patient_id"]].equals(table[["path", "patient_id"]])
    assert b"\n0,'-1+cmd|x,'-1+cmd|x," in (tmp_path / "cohort.csv").read_bytes()
