"""Sheets (.xlsx or .csv) -> tables of texts. Whatever comes, it ends in a table or in an InputError, within limits."""

import csv
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

from tune_ks.data import child_process as children
from tune_ks.data.limits import MAX_COLUMNS, MAX_ROWS, MAX_SHEET_BYTES, mebibytes

HEADER_ROWS = 5  # among which the header of Duke's sheets is looked for
QUIET_ROWS = 10_000  # after so many a child says that it is alive


class InputError(ValueError):
    """The input cannot be used as it is: one message that says what was wrong, what came, and what would do."""


def counted(number: int, what: str) -> str:
    """'1 file', '3 files', for a message."""
    return f"{number} {what}{'s' * (number != 1)}"


def read_columns(path: Path, *columns: str, optional: tuple[str, ...] = (), sheet: str | None = None) -> pd.DataFrame:
    """The named columns, as texts, of a sheet whose header is anywhere in its first five rows.

    Names are compared without stray blanks and newlines; of repeated names the first counts. Rows without a value in
    the first column (units, legends) are left out. InputError names what is missing and what was found. Workbooks are
    read in a child process: a small one can be made to need any amount of memory.
    """
    if path.suffix != ".xlsx":
        return _columns(lambda _: None, path, columns, optional, sheet)
    task = {"path": str(path), "columns": columns, "optional": optional, "sheet": sheet}
    try:
        found = children.call("tune_ks.data.layouts.sheets:columns_or_reason", task)
    except children.ChildDied:
        raise InputError(f"{path.name} cannot be read as a workbook: it crashed its reader, or hung it") from None
    if isinstance(found, str):
        raise InputError(found)
    return found


def columns_or_reason(
    note: children.Note, path: str, columns: tuple[str, ...], optional: tuple[str, ...], sheet: str | None
) -> pd.DataFrame | str:
    """The named columns of one workbook, or the message of an InputError. What a child is asked for."""
    try:
        return _columns(note, Path(path), columns, optional, sheet)
    except InputError as error:
        return str(error)


def read_table(path: Path) -> pd.DataFrame:
    """A sheet with its header in the first row, all of it, as texts without stray blanks; index: the line, from 1.

    Nothing is taken for missing; of repeated names the first counts. InputError for a row longer than the header.
    """
    rows = _rows(path)
    names = [_cell(cell) for cell in next(rows, [])]
    header = _places(names)
    lines, values = [], []
    for line, row in enumerate(rows, start=2):
        if len(row) > len(names):
            raise InputError(
                f"{path.name}: line {line} has {len(row)} values, the header names {len(names)} columns; a value that"
                " holds a comma must stand in double quotes"
            )
        if row:
            lines.append(line)
            values.append([_cell(row[n]) if n < len(row) else "" for n in header.values()])
    return pd.DataFrame(values, columns=list(header), index=lines, dtype=str)


def need(path: Path, found: Iterable[str], *columns: str) -> None:
    """InputError where one of ``columns`` is not among those ``found``; it names both."""
    found = list(found)
    missing = [name for name in columns if name not in found]
    if missing:
        shown = ", ".join(repr(name[:40]) for name in found[:12]) + " ..." * (len(found) > 12) if found else "none"
        raise InputError(f"{path.name} lacks the column {', '.join(map(repr, missing))}; the columns found are {shown}")


def _columns(
    note: children.Note, path: Path, columns: tuple[str, ...], optional: tuple[str, ...], sheet: str | None
) -> pd.DataFrame:
    rows = _rows(path, sheet, note)
    header: dict[str, int] = {}
    best: list[str] = []
    for _, row in zip(range(HEADER_ROWS), rows):
        names = [_cell(cell) for cell in row]
        if columns[0] in names:
            header = _places(names)
            break
        best = max(best, [name for name in names if name], key=len)
    need(path, list(header) or best, *columns)
    wanted = {name: header[name] for name in (*columns, *optional) if name in header}
    values = [[_cell(row[n]) if n < len(row) else "" for n in wanted.values()] for row in rows]
    return pd.DataFrame([row for row in values if row[0]], columns=list(wanted), dtype=str)


def _rows(path: Path, sheet: str | None = None, note: children.Note = lambda _: None) -> Iterator[Sequence[Any]]:
    """The rows of one sheet, a blank line as an empty one. InputError in whichever way the file is damaged."""
    size = path.stat().st_size
    _allow(path, "is", size, MAX_SHEET_BYTES)
    rows = _rows_xlsx(path, sheet) if path.suffix == ".xlsx" else _rows_csv(path)
    what = "a workbook" if path.suffix == ".xlsx" else "a comma-separated UTF-8 table"
    try:
        for number, row in enumerate(rows):
            if number >= MAX_ROWS:
                raise InputError(f"{path.name} has more than {MAX_ROWS:,} rows, the limit")
            if number % QUIET_ROWS == 0:
                note(number)
            yield row
    except InputError:
        raise
    except Exception as error:  # the readers fail in many ways over a damaged file, also half-way
        raise InputError(
            f"{path.name} cannot be read as {what} ({type(error).__name__}); export or download it again"
        ) from error


def _rows_xlsx(path: Path, sheet: str | None) -> Iterator[Sequence[Any]]:
    with zipfile.ZipFile(path) as archive:  # what a member unpacks to is stated, and no more than that is ever unpacked
        _allow(path, "unpacks to", sum(member.file_size for member in archive.infolist()), MAX_SHEET_BYTES)
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        page = book[sheet] if sheet in book.sheetnames else book.worksheets[0]
        page.reset_dimensions()  # some writers state a wrong size
        yield from page.iter_rows(values_only=True, max_col=MAX_COLUMNS)
    finally:
        book.close()


def _rows_csv(path: Path) -> Iterator[Sequence[Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True, strict=True)
        try:
            for row in reader:
                if len(row) > MAX_COLUMNS:
                    raise InputError(f"{path.name} has a row of {len(row):,} columns, the limit is {MAX_COLUMNS}")
                yield row
        except csv.Error as error:  # its texts quote nothing of the file
            raise InputError(f"{path.name} is not a comma-separated table at line {reader.line_num}: {error}") from None


def _allow(path: Path, verb: str, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(f"{path.name} {verb} {mebibytes(size)}, the limit is {mebibytes(limit)}: no sheet is so large")


def _places(names: list[str]) -> dict[str, int]:
    """name -> its column, the first of repeated ones."""
    places: dict[str, int] = {}
    for number, name in enumerate(names):
        if name:
            places.setdefault(name, number)
    return places


def _cell(value: Any) -> str:
    """A cell as text without stray blanks and newlines; "" for an empty one."""
    return "" if value is None or value != value else " ".join(str(value).split())
