"""Sheets (.xlsx or .csv) -> rows of texts. Every input ends in rows or in an InputError, within fixed limits."""

import csv
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tune_ks.core.did_you_mean import did_you_mean_each
from tune_ks.data import child_process
from tune_ks.data.limits import MAX_COLUMNS, MAX_ROWS, MAX_SHEET_BYTES, mebibytes

HEADER_ROWS = 5  # the header of a Duke sheet is looked for in its first rows
ROWS_PER_REPORT = 10_000  # after so many rows a child process reports that it is alive
SHOWN_COLUMNS = 12  # column names in a message
SHOWN_LETTERS = 40  # of each of them
SEPARATORS = (",", ";", "\t", "|")  # Excel writes the second where a comma is the decimal sign
HEADER_LETTERS = 1 << 16  # in which the separator is looked for


class InputError(ValueError):
    """The input cannot be used as it is. The message says what is wrong, what was read, and what to do."""


class UnknownSeries(InputError):
    """The folder has no series of the name that was asked for."""


class NoSeries(UnknownSeries):
    """A series was asked for, and the sheet does not name the series of its files."""


def counted(number: int, noun: str) -> str:
    """'1 file', '3 files', for a message."""
    return f"{number} {noun}{'s' * (number != 1)}"


class Columns(NamedTuple):
    """Some columns of a sheet."""

    names: list[str]
    rows: list[list[str]]  # a text for each name


def columns_of(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...], sheet: str | None, report: child_process.Report
) -> Columns:
    """The named columns; see sheet_tables.read_columns."""
    lines = rows_of(path, sheet, report)
    header = places_of(_header(lines, columns[0]))
    require_columns(path, header, *columns)
    wanted = {name: header[name] for name in (*columns, *optional) if name in header}
    values = [cells_of(line, wanted) for line in lines]
    return Columns(list(wanted), [row for row in values if row[0]])


def columns_or_reason(
    report: child_process.Report, path: str, columns: tuple[str, ...], optional: tuple[str, ...], sheet: str | None
) -> Columns | str:
    """The named columns of a workbook, or the message of an InputError. Called in a child process."""
    try:
        return columns_of(Path(path), columns, optional, sheet, report)
    except InputError as error:
        return str(error)


def require_columns(path: Path, present: Iterable[str], *required: str) -> None:
    """InputError where one of the ``required`` columns is missing; it names the missing and the ``present`` ones."""
    present = list(present)
    missing = [name for name in required if name not in present]
    if not missing:
        return
    lacking = f"{path.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}"
    if not present:
        raise InputError(f"{lacking}: its first line names none")
    shown = ", ".join(repr(name[:SHOWN_LETTERS]) for name in present[:SHOWN_COLUMNS])
    if len(present) > SHOWN_COLUMNS:
        shown += " ..."
    hint = did_you_mean_each(missing, [name for name in present if len(name) <= SHOWN_LETTERS])
    raise InputError(f"{lacking}; the columns found are {shown}{hint}")


def present_column(path: Path, present: Iterable[str], names: Sequence[str], required: bool) -> str:
    """The first of ``names`` that is among the columns; "" where there are no names, or none is there.

    InputError in place of the second where a column is ``required``.
    """
    known = list(present)
    for name in names:
        if name in known:
            return name
    if names and required:
        require_columns(path, known, names[0])
    return ""


def _header(rows: Iterator[Sequence[Any]], first: str) -> list[str]:
    """The first of the next rows that holds the column ``first``; else the one of them that holds most names."""
    fullest: list[str] = []
    for _, row in zip(range(HEADER_ROWS), rows):
        names = [text_of_cell(cell) for cell in row]
        if first in names:
            return names
        fullest = max(fullest, [name for name in names if name], key=len)
    return fullest


def rows_of(
    path: Path, sheet: str | None = None, report: child_process.Report = lambda _: None
) -> Iterator[Sequence[Any]]:
    """The rows of one sheet, a blank line as an empty row. InputError whatever damage the file has."""
    _require_small(path, "is", path.stat().st_size, MAX_SHEET_BYTES)
    is_workbook = path.suffix == ".xlsx"
    rows = _rows_xlsx(path, sheet) if is_workbook else _rows_csv(path)
    try:
        for number, row in enumerate(rows):
            if number >= MAX_ROWS:
                raise InputError(f"{path.name} has more than {MAX_ROWS:,} rows, the limit")
            if number % ROWS_PER_REPORT == 0:
                report(number)
            yield row
    except InputError:
        raise
    except Exception as error:  # the readers fail in many ways over a damaged file, also half-way
        form = "a workbook" if is_workbook else "a comma-separated UTF-8 table"
        raise InputError(
            f"{path.name} cannot be read as {form} ({type(error).__name__}); export or download it again"
        ) from error


def _rows_xlsx(path: Path, sheet: str | None) -> Iterator[Sequence[Any]]:
    with zipfile.ZipFile(path) as archive:  # it states what each of its files unpacks to, and unpacks no more than that
        unpacked = sum(member.file_size for member in archive.infolist())
    _require_small(path, "unpacks to", unpacked, MAX_SHEET_BYTES)
    import openpyxl  # here, because a training needs no workbook

    workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        worksheet = workbook[sheet] if sheet in workbook.sheetnames else workbook.worksheets[0]
        worksheet.reset_dimensions()  # some writers state a wrong size
        yield from worksheet.iter_rows(values_only=True, max_col=MAX_COLUMNS)
    finally:
        workbook.close()


def _rows_csv(path: Path) -> Iterator[Sequence[Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            separator = _separator(file.readline(HEADER_LETTERS))
            file.seek(0)
            reader = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)
            for row in reader:
                if len(row) > MAX_COLUMNS:
                    raise InputError(f"{path.name} has a row of {len(row):,} columns, the limit is {MAX_COLUMNS}")
                yield row
        except UnicodeDecodeError:
            raise InputError(f"{path.name} is no UTF-8 text; save it again as such (Excel: 'CSV UTF-8')") from None
        except csv.Error as error:  # its texts quote nothing of the file
            raise InputError(f"{path.name} is not a comma-separated table at line {reader.line_num}: {error}") from None


def _separator(header: str) -> str:
    """What separates the cells of a CSV file: the first of SEPARATORS that its first line holds, else the comma."""
    return next((separator for separator in SEPARATORS if separator in header), SEPARATORS[0])


def _require_small(path: Path, verb: str, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(f"{path.name} {verb} {mebibytes(size)}, the limit is {mebibytes(limit)}: no sheet is so large")


def places_of(names: list[str]) -> dict[str, int]:
    """name -> its column; of repeated names the first."""
    places: dict[str, int] = {}
    for number, name in enumerate(names):
        if name:
            places.setdefault(name, number)
    return places


def cells_of(row: Sequence[Any], places: dict[str, int]) -> list[str]:
    """The texts of a row in these columns; "" where the row ends before the column."""
    return [text_of_cell(row[column]) if column < len(row) else "" for column in places.values()]


def text_of_cell(value: Any) -> str:
    """A cell as text without stray blanks and newlines; "" for an empty cell or NaN."""
    if value is None or value != value:
        return ""
    return " ".join(str(value).split())
