"""labels.csv, the second door: path, patient_id and label of any DICOM files -> Items."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from tune_ks.data.layouts.items import SPLITS, Item, Listing
from tune_ks.data.layouts.sheets import InputError, need, read_table

LABELS = "labels.csv"


def read_labels(path: Path) -> pd.DataFrame:
    """``labels.csv`` as texts, ready to use: columns checked, blanks stripped. InputError names what is missing."""
    table = read_table(path)
    need(path, table.columns, "path", "patient_id")
    paths = [text if "/" in text else text.replace("\\", "/") for text in table["path"]]  # written on Windows
    return table.assign(path=paths)


def list_table(root: Path, sheet: Path, series: str | None, labels_required: bool) -> Listing:
    """The files of one series that labels.csv names. InputError for what cannot be meant."""
    table = read_labels(sheet)
    if labels_required:
        need(sheet, table.columns, "label")
    if table.empty:
        raise InputError(f"{sheet.name} has no rows; it needs one a file, with path, patient_id and label")
    for column in ("path", "patient_id"):
        empty = table.index[table[column] == ""]
        if len(empty):
            raise InputError(f"{sheet.name}: no {column} in line {empty[0]} ({len(empty)} such lines)")
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        raise InputError(f"{sheet.name} lists {twice.iloc[0]} more than once ({len(twice)} lines too many)")
    _refuse_outside(root, table["path"])
    table, left_out = _one_series(sheet, table, series)
    _check_splits(sheet, table)
    labels = _labels(sheet, table["label"]) if "label" in table else [None] * len(table)
    numbers = {name: _numeric(sheet, table[name]) for name in ("slice", "slices") if name in table}
    items = [
        Item(path=row["path"], patient_id=row["patient_id"], series=row.get("series", ""), split=row.get("split", ""))
        for row in table.to_dict("records")
    ]
    skipped = []
    for i, item in enumerate(items):
        item.label = labels[i]
        for name, values in numbers.items():
            setattr(item, name, values[i])
        if labels_required and item.label is None:
            skipped.append((item.path, "no label"))
    unlabelled = {path for path, _ in skipped}
    return Listing([item for item in items if item.path not in unlabelled], skipped, left_out)


def _refuse_outside(root: Path, paths: Iterable[str]) -> None:
    """InputError for a path that leaves the folder: a table must not make this program read other files."""
    inside = os.path.realpath(root) + os.sep
    for path in paths:
        pure = PurePosixPath(path)
        leaves = pure.is_absolute() or ".." in pure.parts or re.match(r"[A-Za-z]:", path) or "\0" in path
        if leaves or not os.path.realpath(os.path.join(root, path)).startswith(inside):
            raise InputError(
                f"{LABELS} names {path!r}, which leaves the folder; give paths relative to it, without '..'"
            )


def _one_series(sheet: Path, table: pd.DataFrame, series: str | None) -> tuple[pd.DataFrame, Counter[str]]:
    if "series" not in table:
        if series is not None:
            raise InputError(
                f"{sheet.name} has no series column, so the series {series!r} cannot be chosen; leave it out"
            )
        return table, Counter()
    counts = table["series"].value_counts().sort_index()
    known = ", ".join(f"{name!r} ({count} files)" for name, count in counts.items())
    if series is None and len(counts) > 1:
        raise InputError(f"{sheet.name} holds several series: {known}. Choose one of them")
    if series is not None and series not in counts:
        raise InputError(f"{sheet.name} has no series {series!r}; it has {known}")
    kept = table[table["series"] == (series if series is not None else counts.index[0])]
    return kept, +Counter({"another series": len(table) - len(kept)})


def _check_splits(sheet: Path, table: pd.DataFrame) -> None:
    if "split" not in table or (table["split"] == "").all():
        return
    unknown = sorted(set(table["split"]) - {*SPLITS, ""})
    if unknown:
        raise InputError(f"{sheet.name}: split must be one of {', '.join(SPLITS)}; it also holds {', '.join(unknown)}")
    empty = table.loc[table["split"] == "", "patient_id"].nunique()
    if empty:
        raise InputError(f"{sheet.name} gives no split for {empty} patients; give it for every row, or for none")
    per_patient = table.groupby("patient_id")["split"].nunique()
    shared = per_patient.index[per_patient > 1]
    if len(shared):
        raise InputError(
            f"{sheet.name} puts {len(shared)} patients in more than one split ({shared[0]} for one); a patient's images"
            " are alike, so all of them must be in the same split"
        )


def _labels(sheet: Path, column: pd.Series) -> list[int | None]:
    known = {"": None, "0": 0, "0.0": 0, "1": 1, "1.0": 1, "nan": None, "NaN": None}
    unknown = sorted(set(column) - set(known))
    if unknown:
        raise InputError(
            f"{sheet.name}: label must be 0 or 1 (or empty); it also holds {', '.join(map(repr, unknown[:5]))}"
        )
    return [known[text] for text in column]


def _numeric(sheet: Path, column: pd.Series) -> list[float]:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column[numbers.isna() & (column != "")]
    if len(wrong):
        raise InputError(
            f"{sheet.name}: {column.name} must be a number (or empty); line {wrong.index[0]}: {wrong.iloc[0]!r}"
        )
    return numbers.tolist()
