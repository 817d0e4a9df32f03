"""Any folder of DICOM files with labels.csv, a table with the path, patient and label of each file, or of a folder."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pandas as pd

from tune_ks.data.layouts.base import FileStatus, Layout
from tune_ks.data.layouts.folder_tree import FolderTree, plain
from tune_ks.data.layouts.items import SPLITS, Item, Listing
from tune_ks.data.layouts.names import NamesOnDisk, is_absolute_or_climbs
from tune_ks.data.layouts.sheet_tables import read_table
from tune_ks.data.layouts.sheets import InputError, NoSeries, UnknownSeries, counted, present_column, require_columns
from tune_ks.data.vendors import named_vendor

LABELS = "labels.csv"
COLUMNS = ("path", "patient_id", "label", "series", "split", "slice", "slices", "vendor", "site", "breast")
SHOWN_COLUMNS = 12  # of those that are not used
PLAIN_WORD = re.compile(r"[A-Za-z]\w{0,19}", re.ASCII)  # a column's name that may be printed: it holds no person's data
ABSENT = "no such file"  # the words of tune_ks.data.dicom.file, which is not asked for each of many absent files
NO_LABEL = ("", "nan", "NaN")  # how labels.csv may write an unknown label
LABEL_OF = {**dict.fromkeys(NO_LABEL), "0": 0, "0.0": 0, "1": 1, "1.0": 1}


class LabelTable(Layout):
    """A folder with ``labels.csv``: columns path, patient_id, label, and optionally the others of COLUMNS.

    A path may be a folder. Its row then holds for every file below it, so that one row a patient is enough: all images
    of a patient get the patient's label.
    """

    recognised_by = f"{LABELS} (columns path, patient_id, label)"
    columns: ClassVar[tuple[str, ...]] = COLUMNS
    texts: ClassVar[tuple[str, ...]] = ("path", "patient_id", "series", "split", "breast")
    saying_labels: ClassVar[tuple[str, ...]] = ("label",)  # where images need labels, it has one of these columns
    naming_files: ClassVar[tuple[str, ...]] = ("path",)
    of_one_image: ClassVar[tuple[str, ...]] = ("path",)  # no two rows have the same in all of these

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """``labels.csv`` under the name "labels"."""
        path = root / LABELS
        return {"labels": path} if path.is_file() else None

    def files(self) -> list[FileStatus]:
        """The files that ``labels.csv`` names, whether or not they are there, and those of the folders it names."""
        tree = FolderTree(self.root)
        named = self._named(read_labels(self.sheets["labels"], tree, self.naming_files))
        _refuse_outside(tree, named)
        files: dict[str, FileStatus] = {}
        for path in named:
            below = self.files_below(self.root / path) if tree.is_folder(path) else [tree.status(path)]
            for file in below:
                files[file.path] = file
        return sorted(files.values())

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """The rows of one series. InputError for a table that contradicts itself or leaves the folder."""
        sheet = self.sheets["labels"]
        tree = FolderTree(self.root)
        table = read_labels(sheet, tree, self.naming_files)
        if labels_required and not any(name in table for name in self.saying_labels):
            require_columns(sheet, table.columns, "label")
        domain = present_column(sheet, table.columns, self.domain_columns, labels_required)
        _check_rows(sheet, table, self.of_one_image)
        _refuse_outside(tree, self._named(table))
        chosen = set(table["path"])
        table = _without_folders(tree, table, [file.path for file in files])
        _refuse_outside(tree, [path for path in table["path"] if path not in chosen])
        table, left_out = _one_series(sheet, table, series)
        table = _with_sites(sheet, table)
        _check_splits(sheet, table)
        listing = Listing(left_out=left_out, notes=_unused_columns(sheet, table, self.columns, domain))
        listing.columns = tuple(name for name in table.columns if name not in self.columns)
        for item in _items(sheet, table, self.texts, domain):
            item.is_chosen = item.path in chosen
            if labels_required and item.label is None and not item.mask:
                listing.skipped.append((item.path, "no label"))
            elif not tree.exists(item.path):
                listing.skipped.append((item.path, ABSENT))
            else:
                listing.items.append(item)
        return listing

    def _named(self, table: pd.DataFrame) -> list[str]:
        """Every path that the table names, once."""
        named = set(table["path"])
        for name in self.naming_files:
            if name != "path" and name in table:
                named |= set(table[name]) - {""}
        return sorted(named)


def read_labels(path: Path, tree: FolderTree, naming_files: Iterable[str]) -> pd.DataFrame:
    """``labels.csv`` as texts without stray blanks, the paths in its columns ``naming_files`` as the disk writes them.

    InputError where it lacks the paths or the patients.
    """
    table = read_table(path)
    require_columns(path, table.columns, "path", "patient_id")
    disk = NamesOnDisk(tree)
    for name in naming_files:
        if name in table:
            table[name] = [disk.written(path) for path in table[name]]
    return table


def _check_rows(sheet: Path, table: pd.DataFrame, of_one_image: Sequence[str]) -> None:
    """InputError where a row lacks its path or patient, or two rows have the same in the columns ``of_one_image``."""
    if table.empty:
        raise InputError(f"{sheet.name} has no rows; it needs a row for each file, with path, patient_id and label")
    for column in ("path", "patient_id"):
        empty = table.index[table[column] == ""]
        if len(empty):
            raise InputError(f"{sheet.name}: no {column} in line {empty[0]} ({counted(len(empty), 'such line')})")
    keys = table.assign(path=table["path"].map(plain))[[name for name in of_one_image if name in table]]
    repeated = table["path"][keys.duplicated()]
    if len(repeated):
        raise InputError(
            f"{sheet.name} lists {repeated.iloc[0]} more than once ({counted(len(repeated), 'line')} too many)"
        )


def _refuse_outside(tree: FolderTree, paths: Iterable[str]) -> None:
    """InputError for a path that leaves the folder: a table must not make this program read other files."""
    for path in paths:
        if is_absolute_or_climbs(path):
            raise InputError(
                f"{LABELS} names {path!r}, which leaves the folder; give paths relative to it, without '..'"
            )
        if tree.leaves(path):
            raise InputError(
                f"{LABELS} names {path!r}, a link that leaves the folder, and a table must not lead to other files;"
                f" copy the files into the folder, or put {LABELS} into a folder that holds both links and files"
            )


def _without_folders(tree: FolderTree, table: pd.DataFrame, files: list[str]) -> pd.DataFrame:
    """The table with a row for each of ``files`` in place of every row of a folder; InputError for one named twice."""
    is_folder = [tree.is_folder(path) for path in table["path"]]
    if not any(is_folder):
        return table
    line_of: dict[str, int] = {}
    for line, path, folder in zip(table.index, table["path"], is_folder):
        start = "" if PurePosixPath(path) == PurePosixPath(".") else f"{PurePosixPath(path)}/"
        below = [file for file in files if file.startswith(start)] if folder else [path]
        if not below:
            raise InputError(f"{LABELS} names the folder {path!r}, which holds no file")
        for file in below:
            if file in line_of:
                raise InputError(f"{LABELS} names {file!r} twice: in line {line_of[file]} and in line {line}")
            line_of[file] = line
    return table.loc[list(line_of.values())].assign(path=list(line_of))


def _one_series(sheet: Path, table: pd.DataFrame, series: str | None) -> tuple[pd.DataFrame, Counter[str]]:
    """The rows of one series, and how many rows belong to another."""
    if "series" not in table:
        if series is not None:
            raise NoSeries(
                f"{sheet.name} has no series column, so the series {series!r} cannot be chosen; leave it out"
            )
        return table, Counter()
    counts = table["series"].value_counts().sort_index()
    known = ", ".join(f"{name!r} ({count} files)" for name, count in counts.items())
    if series is None and len(counts) > 1:
        raise InputError(f"{sheet.name} holds several series: {known}. Choose one of them")
    if series is not None and series not in counts:
        raise UnknownSeries(f"{sheet.name} has no series {series!r}; it has {known}")
    chosen = counts.index[0] if series is None else series
    kept = table[table["series"] == chosen]
    return kept, Counter({"another series": len(table) - len(kept)})


def _check_splits(sheet: Path, table: pd.DataFrame) -> None:
    """InputError for a split that is unknown, given for some rows only, or that divides a patient."""
    if "split" not in table or (table["split"] == "").all():
        return
    unknown = sorted(set(table["split"]) - {*SPLITS, ""})
    if unknown:
        raise InputError(f"{sheet.name}: split must be one of {', '.join(SPLITS)}; it also holds {', '.join(unknown)}")
    empty = table.loc[table["split"] == "", "patient_id"].nunique()
    if empty:
        raise InputError(f"{sheet.name} gives no split for {empty} patients; give it for every row, or for none")
    splits_of_patient = table.groupby("patient_id")["split"].nunique()
    divided = splits_of_patient.index[splits_of_patient > 1]
    if len(divided):
        raise InputError(
            f"{sheet.name} puts {len(divided)} patients in more than one split ({divided[0]}, for example); a"
            " patient's images are alike, so all of them must be in the same split"
        )


def _items(sheet: Path, table: pd.DataFrame, texts: Sequence[str], domain: str) -> list[Item]:
    """One Item for each row; ``texts``: columns that it takes as they are; ``domain``: that of its domain, or "".

    InputError for a label or a slice number that cannot be read.
    """
    columns = {name: table[name].tolist() for name in texts if name in table}
    if domain:
        columns["domain"] = table[domain].tolist()
    if "vendor" in table:
        columns["sheet_vendor"] = _vendors(sheet, table["vendor"])
    if "label" in table:
        columns["label"] = _labels(sheet, table["label"])
    for name in ("slice", "slices"):
        if name in table:
            columns[name] = _numbers(sheet, table[name])
    _check_slices(sheet, table, columns)
    return [Item(**dict(zip(columns, values))) for values in zip(*columns.values())]


def with_site(site: str, patient: str) -> str:
    """A patient's id among all sites: the site goes before it, because two hospitals may count their patients alike."""
    return f"{site}_{patient}" if site else patient


def without_site(site: str, patient: str) -> str:
    """The inverse of ``with_site``: the id as the folder's own files have it, which know no site."""
    return patient.removeprefix(f"{site}_") if site else patient


def _with_sites(sheet: Path, table: pd.DataFrame) -> pd.DataFrame:
    """The table with the column ``site`` in its patients' ids. InputError where two ids would become one."""
    if "site" not in table:
        return table
    pairs = list(zip(table["site"], table["patient_id"]))
    joined = [with_site(*pair) for pair in pairs]
    if len(set(joined)) < len(set(pairs)):
        raise InputError(f"{sheet.name}: site and patient_id, joined by '_', give two patients one id; rename a site")
    return table.assign(patient_id=joined)


def _unused_columns(sheet: Path, table: pd.DataFrame, used: Sequence[str], domain: str) -> list[str]:
    """A note that names the columns but ``used`` and the ``domain``; where a name is no plain word, its place."""
    unused = []
    for number, name in enumerate(table.columns, start=1):
        if name not in (*used, domain):
            unused.append(repr(name) if PLAIN_WORD.fullmatch(name) else f"number {number}")
    if not unused:
        return []
    more = " ..." if len(unused) > SHOWN_COLUMNS else ""
    names = ", ".join(unused[:SHOWN_COLUMNS])
    return [f"{sheet.name}: not used: the column {names}{more}; used are {', '.join(used)}"]


def _vendors(sheet: Path, column: pd.Series) -> list[str]:
    """The vendor of each row, "" where a cell is empty."""
    vendor_of = {"": ""}
    for line, text in column.drop_duplicates().items():
        if text:
            try:
                vendor_of[text] = named_vendor(text)
            except ValueError as error:
                raise InputError(f"{sheet.name}: line {line}: {error}") from None
    return [vendor_of[text] for text in column]


def _labels(sheet: Path, column: pd.Series) -> list[int | None]:
    unknown = sorted(set(column) - set(LABEL_OF))
    if unknown:
        raise InputError(
            f"{sheet.name}: label must be 0 or 1 (or empty); it also holds {', '.join(map(repr, unknown[:5]))}"
        )
    return [LABEL_OF[text] for text in column]


def _check_slices(sheet: Path, table: pd.DataFrame, columns: dict[str, list[Any]]) -> None:
    """InputError for a slice that lies outside its series."""
    count = len(table)
    numbers = pd.Series(columns.get("slice", [math.nan] * count), table.index)
    slices = pd.Series(columns.get("slices", [math.nan] * count), table.index)
    wrong = (numbers < 1) | (slices < 1) | (numbers > slices) | (numbers == math.inf)
    if wrong.any():
        line = wrong.index[wrong][0]
        of = f" of {slices[line]:g}" if not math.isnan(slices[line]) else ""
        raise InputError(
            f"{sheet.name}: slice must lie in its series, counted from 1; line {line}: {numbers[line]:g}{of}"
            f" ({int(wrong.sum())} such lines)"
        )


def _numbers(sheet: Path, column: pd.Series) -> list[float]:
    """The numbers of a column, NaN where a cell is empty."""
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column[numbers.isna() & (column != "")]
    if len(wrong):
        raise InputError(
            f"{sheet.name}: {column.name} must be a number (or empty); line {wrong.index[0]}: {wrong.iloc[0]!r}"
        )
    return numbers.tolist()
