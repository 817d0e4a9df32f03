"""Sheets (.xlsx or .csv) -> tables of texts: some columns of one whose form is known, or all that there are."""

import math
from pathlib import Path

import pandas as pd

from tune_ks.data import child_process
from tune_ks.data.layouts.sheets import Columns, InputError, cells_of, columns_of, places_of, rows_of, text_of_cell


def read_columns(path: Path, *columns: str, optional: tuple[str, ...] = (), sheet: str | None = None) -> pd.DataFrame:
    """The named columns, as texts, of a sheet whose header is one of its first five rows.

    Names are compared without stray blanks and newlines; of repeated names the first counts. Rows without a value in
    the first column (units, legends) are left out. InputError names the missing columns and those that are there.
    Workbooks are read in a child process, because a small workbook can be made to need any amount of memory.
    """
    if path.suffix != ".xlsx":
        return _table(columns_of(path, columns, optional, sheet, lambda _: None))
    task = {"path": str(path.absolute()), "columns": columns, "optional": optional, "sheet": sheet}
    try:
        answer = child_process.call("tune_ks.data.layouts.sheets:columns_or_reason", task)
    except child_process.ChildDied:
        raise InputError(f"{path.name} cannot be read as a workbook: its reader crashed or hung") from None
    if isinstance(answer, str):
        raise InputError(answer)
    return _table(answer)


def read_table(path: Path) -> pd.DataFrame:
    """A sheet with its header in the first row: every cell as text without stray blanks; the index is the line, from 1.

    No text is taken for a missing value; of repeated names the first counts. Lines without a value are left out.
    InputError for a value beyond the header.
    """
    rows = rows_of(path)
    names = [text_of_cell(cell) for cell in next(rows, [])]
    places = places_of(names)
    lines = []
    values = []
    for line, row in enumerate(rows, start=2):
        if len(row) > len(names) and any(text_of_cell(cell) for cell in row[len(names) :]):
            raise InputError(
                f"{path.name}: line {line} has {len(row)} values, the header names {len(names)} columns; a value that"
                " holds the separator (a comma) must stand in double quotes"
            )
        cells = cells_of(row, places)
        if any(cells):  # Excel leaves rows of commas behind
            lines.append(line)
            values.append(cells)
    return pd.DataFrame(values, columns=list(places), index=lines, dtype=str)


def positive_number(text: str) -> float:
    """A finite number above 0, else NaN."""
    number = float(pd.to_numeric(text, errors="coerce"))
    return number if 0 < number < math.inf else math.nan


def _table(columns: Columns) -> pd.DataFrame:
    return pd.DataFrame(columns.rows, columns=columns.names, dtype=str)
