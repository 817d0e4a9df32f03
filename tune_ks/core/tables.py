"""CSV files of a run folder: a text that a spreadsheet would run as a formula is written with a quote before it.

The names of files and the ids of patients come from elsewhere, and a spreadsheet runs a cell that begins with = + - @.
Numbers stay as they are. Reading takes the quote away again, so that ids and paths are what they were.
"""

import csv
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from tune_ks.core.storage import StoragePath, open_whole, write_whole

FORMULA = tuple("=+-@\t\r\n")  # a cell that begins with one of them is run, or is one after its blanks are cut off
LARGEST_TABLE = 2**30  # bytes; the table of a million images has a third of it
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def guarded(text: str) -> str:
    """A text as its cell is written."""
    runs = text.startswith(FORMULA) and not NUMBER.fullmatch(text)
    return f"'{text}" if runs or _looks_guarded(text) else text


def unguarded(text: str) -> str:
    """The inverse of ``guarded``. A text of an older file that has no quote stays as it is."""
    return text[1:] if _looks_guarded(text) else text


def _looks_guarded(text: str) -> bool:
    return text.startswith("'") and text[1:].startswith((*FORMULA, "'"))


def write_csv(path: StoragePath, table: pd.DataFrame) -> None:
    """Write a table whole or not at all, without its index."""
    safe = _with_texts(table, guarded)
    text = safe.to_csv(index=False)
    if "\r" in text:  # Python's csv quotes it from 3.13 on only; unquoted it would end a row
        text = safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    write_whole(path, text.encode())


def read_csv(path: StoragePath, **options: Any) -> pd.DataFrame:
    """pandas.read_csv of a table that ``write_csv`` wrote. Its errors are ValueErrors or OSErrors."""
    return _with_texts(pd.read_csv(open_whole(path, LARGEST_TABLE), **options), unguarded)


def _with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with every text changed; each distinct text is looked at once."""
    columns = {}
    for name in table.columns:
        values = table[name].unique() if not pd.api.types.is_numeric_dtype(table[name]) else []
        changed = {value: change(value) for value in values if isinstance(value, str) and change(value) != value}
        if changed:
            columns[name] = table[name].replace(changed)
    return table.assign(**columns)
