"""A folder and its sheets -> the files that are asked for, each with patient, series, slice and label. Opens no DICOM.

Three layouts: Duke-Breast-Cancer-MRI as TCIA distributes it (with its three sheets), a folder with ``labels.csv``, and,
where labels are not needed, any folder of DICOM files with one folder a patient.
"""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import openpyxl
import pandas as pd

from tune_ks.data.dicom import vendor_of

LABELS = "labels.csv"
DUKE_FOLDER = "Duke-Breast-Cancer-MRI"
DUKE_SERIES = "pre"  # the public slice task's
BOXES, CLINICAL = "Annotation_Boxes", "Clinical_and_Other_Features"
MAPPING = "Breast-Cancer-MRI-filepath_filename-mapping"
DUKE_VENDORS = {"0": "GE", "1": "MPTRONIC", "2": "SIEMENS"}  # code 1 is in the legend and never occurs
MARGIN = 5  # slices between the box and a negative slice
SPLITS = ("train", "val", "test")
LEFT_OUT = -1  # label of a slice that is neither positive nor negative

Stat = tuple[str, int, int]  # relative path, size in bytes, mtime in ns


class InputError(ValueError):
    """The input cannot be used as it is: one message that says what was wrong, what came, and what would do."""


@dataclass
class Item:
    """One file that was asked for. A label of None is unknown, of LEFT_OUT too close to call."""

    path: str  # relative to the root, with /
    patient_id: str
    series: str = ""
    label: int | None = None
    slice: float = math.nan  # counted from 1
    slices: float = math.nan  # of the patient's series as it was scanned
    split: str = ""
    sheet_vendor: str = ""  # what a sheet says of the maker, to be checked against the file


@dataclass
class Listing:
    """What is to be read, what cannot be (path, reason), and how many were left aside on purpose."""

    items: list[Item]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Layout:
    """Which of the three layouts a folder has, and the sheets that say so."""

    kind: str  # duke | table | folder
    root: Path
    sheets: dict[str, Path]
    ignore: Path | None = None  # the cache, should it lie inside

    def files(self) -> list[Stat]:
        """Every file that this layout could read, by stat alone: relative path, size and mtime. Sheets excepted."""
        if self.kind == "table":
            return [_stat(self.root, path) for path in sorted({*_read_labels(self.sheets["labels"])["path"]})]
        top = self.root / DUKE_FOLDER
        start = top if self.kind == "duke" and top.is_dir() else self.root
        sheets = {path.name for path in self.sheets.values()}
        return sorted(stat for stat in _walk(start, self.root, self.ignore) if stat[0] not in sheets)

    def sheet_digests(self) -> dict[str, str]:
        """Content of every sheet as a hash."""
        return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(self.sheets.items())}

    def listing(self, series: str | None, labels_required: bool, files: Iterable[Stat]) -> Listing:
        """The files of the series that was asked for. InputError when the sheets do not allow it."""
        if self.kind == "duke":
            return _list_duke(self, series or DUKE_SERIES, [path for path, *_ in files])
        if self.kind == "table":
            return _list_table(self, series, labels_required)
        return _list_folder(series, [path for path, *_ in files])


def detect(root: Path, labels_required: bool, ignore: Path | None = None) -> Layout:
    """Which layout ``root`` has. InputError when it is no folder, or has none."""
    root = Path(root)
    if not root.exists():
        raise InputError(
            f"{root}: there is no such folder; give the folder that holds the DICOM files and their labels"
        )
    if not root.is_dir():
        raise InputError(f"{root} is a file, not a folder; give the folder that holds the DICOM files and their labels")
    ignore = Path(ignore).resolve() if ignore else None
    if (root / LABELS).is_file():
        return Layout("table", root, {"labels": root / LABELS}, ignore)
    stems = {"boxes": BOXES, "clinical": CLINICAL, "mapping": MAPPING}
    sheets = {name: sheet for name, stem in stems.items() if (sheet := _sheet(root, stem))}
    missing = [f"{stem}.xlsx" for name, stem in stems.items() if name not in sheets]
    if sheets and not missing:
        return Layout("duke", root, sheets, ignore)
    if not labels_required:
        return Layout("folder", root, {}, ignore)
    if sheets:
        why = " Without the mapping sheet nothing says which file is which sequence and slice." * (
            "mapping" not in sheets
        )
        raise InputError(
            f"{root} holds {', '.join(path.name for path in sheets.values())}, but not {', '.join(missing)} (or .csv)."
            f"{why} Download it from the Duke-Breast-Cancer-MRI page of TCIA and put it beside the others."
        )
    if not any(root.iterdir()):
        raise InputError(f"{root} is empty; give the folder that holds the DICOM files and their labels")
    names = sorted(path.name for path in root.iterdir())
    raise InputError(
        f"{root} has no labels: neither {LABELS} (columns path, patient_id, label) nor Duke's sheets ({BOXES},"
        f" {CLINICAL} and {MAPPING}, .xlsx or .csv). It holds {', '.join(names[:5])}{' ...' * (len(names) > 5)}"
    )


def duke_label(number: int, start: int, end: int) -> int:
    """Label of slice ``number`` for a box over slices ``start`` to ``end``, all counted from 1.

    1 inside (start <= number < end), 0 at least MARGIN slices away, else LEFT_OUT: the public slice task's rule.
    """
    if start <= number < end:
        return 1
    return 0 if number + MARGIN <= start or number - MARGIN > end else LEFT_OUT


# ---------------------------------------------------------------------------------------------------- files on disk


def _walk(start: Path, root: Path, ignore: Path | None) -> list[Stat]:
    """Every file below ``start``; hidden ones and ``ignore`` excepted. Links to folders are followed, once each."""
    found, seen, todo = [], set(), [(str(start), start.relative_to(root).as_posix())]
    ignored = os.path.realpath(ignore) if ignore else None
    while todo:
        folder, relative = todo.pop()
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen or (ignored and os.path.realpath(folder) == ignored):
            continue
        seen.add((status.st_dev, status.st_ino))
        prefix = "" if relative == "." else f"{relative}/"
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    todo.append((entry.path, prefix + entry.name))
                    continue
                try:
                    status = entry.stat()
                    found.append((prefix + entry.name, status.st_size, status.st_mtime_ns))
                except OSError:  # a link that leads nowhere: opening it will say so
                    found.append((prefix + entry.name, -1, -1))
    return found


def _stat(root: Path, path: str) -> Stat:
    try:
        status = os.stat(os.path.join(root, path))
    except (OSError, ValueError):
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns


def _sheet(root: Path, stem: str) -> Path | None:
    return next((root / (stem + end) for end in (".xlsx", ".csv") if (root / (stem + end)).is_file()), None)


# ---------------------------------------------------------------------------------------------------- labels.csv


def _read_labels(path: Path) -> pd.DataFrame:
    """``labels.csv`` as texts, ready to use: columns checked, blanks stripped. InputError names what is missing."""
    table = _read_csv(path)
    _need(path, table.columns, "path", "patient_id")
    paths = [text if "/" in text else text.replace("\\", "/") for text in table["path"]]  # written on Windows
    return table.assign(path=paths)


def _list_table(layout: Layout, series: str | None, labels_required: bool) -> Listing:
    sheet = layout.sheets["labels"]
    table = _read_labels(sheet)
    if labels_required:
        _need(sheet, table.columns, "label")
    if table.empty:
        raise InputError(f"{sheet.name} has no rows; it needs one a file, with path, patient_id and label")
    for column in ("path", "patient_id"):
        empty = table.index[table[column] == ""]
        if len(empty):
            raise InputError(f"{sheet.name}: no {column} in line {empty[0] + 2} ({len(empty)} such lines)")
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        raise InputError(f"{sheet.name} lists {twice.iloc[0]} more than once ({len(twice)} lines too many)")
    _refuse_outside(layout.root, table["path"])
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
    kept = table[table["series"] == (series if series is not None else counts.index[0])].reset_index(drop=True)
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
            f"{sheet.name}: {column.name} must be a number (or empty); line {wrong.index[0] + 2}: {wrong.iloc[0]!r}"
        )
    return numbers.tolist()


# ---------------------------------------------------------------------------------------------------- any folder


def _list_folder(series: str | None, paths: list[str]) -> Listing:
    """One folder a patient; the folders below it name the series. Files in the root itself have no patient."""
    items, left_out = [], Counter()
    for path in paths:
        folders = PurePosixPath(path).parts[:-1]
        if series is not None and series not in folders[1:]:
            left_out["another series"] += 1
            continue
        items.append(Item(path, folders[0] if folders else "unknown", series="/".join(folders[1:])))
    if series is not None and not items and paths:
        raise InputError(f"no folder below a patient's is called {series!r}, so no file belongs to that series")
    return Listing(items, [], left_out)


# ---------------------------------------------------------------------------------------------------- Duke


def _list_duke(layout: Layout, series: str, disk: list[str]) -> Listing:
    boxes = _read_boxes(layout.sheets["boxes"])
    vendors = _read_vendors(layout.sheets["clinical"])
    mapping = _read_mapping(layout.sheets["mapping"])
    known = mapping["series"].value_counts().sort_index()
    if series not in known:
        names = ", ".join(f"{name!r} ({count} files)" for name, count in known.items())
        raise InputError(f"{layout.sheets['mapping'].name} has no series {series!r}; it has {names}")
    slices = mapping.groupby(["patient", "series"])["slice"].agg(["count", "max"])
    finder = _Finder(disk, set(mapping["patient"]))
    wanted = mapping[mapping["series"] == series]
    items, skipped, left_out = [], [], Counter()
    left_out["another series"] = len(mapping) - int(known[series])
    here = finder.patients
    for row in wanted.to_dict("records"):
        patient, number = row["patient"], int(row["slice"])
        if patient not in here:
            left_out["in the mapping sheet, but the patient's folder is not here"] += 1
            continue
        path = finder.find(patient, [row[name] for name in ("classic_path", "descriptive_path") if name in row])
        if path is None:
            skipped.append((row["original_path_and_filename"], "in the mapping sheet, but not on disk"))
            continue
        if patient not in boxes:
            skipped.append((path, f"no row in {BOXES}"))
            continue
        if patient in vendors and not vendors[patient]:
            skipped.append((path, f"an unknown Manufacturer code in {CLINICAL}"))
            continue
        count, last = slices.loc[(patient, series)]
        complete = float(last) if count == last else math.nan  # else the sheet lists only some of the slices
        label = duke_label(number, *boxes[patient])
        items.append(Item(path, patient, series, label, float(number), complete, "", vendors.get(patient, "")))
    left_out[f"less than {MARGIN} slices from the tumour's box"] = sum(item.label == LEFT_OUT for item in items)
    twice = [path for path, count in Counter(item.path for item in items).items() if count > 1]
    if twice:
        raise InputError(f"{layout.sheets['mapping'].name} gives {twice[0]} to more than one slice")
    return Listing(items, skipped, +left_out)


class _Finder:
    """Files on disk by the mapping sheet's names: zero padding and runs of blanks differ between the two."""

    def __init__(self, disk: list[str], patients: set[str]) -> None:
        self.by_key: dict[str, list[str]] = {}
        self.patients = set()
        for path in disk:
            patient = next((part for part in path.split("/")[:-1] if part in patients), None)
            if patient is not None:
                self.patients.add(patient)
                self.by_key.setdefault(self._key(patient, path), []).append(path)

    def find(self, patient: str, names: list[str]) -> str | None:
        """The file that one of the sheet's names means; None when there is none, or no telling which."""
        for name in names:
            found = self.by_key.get(self._key(patient, name), [])
            exact = [path for path in found if path.endswith("/" + name.rsplit("/", 1)[-1])]
            if len(found) == 1 or len(exact) == 1:
                return (exact or found)[0]
        return None

    @staticmethod
    def _key(patient: str, path: str) -> str:
        """From the patient's folder on: 'Breast_MRI_001/study/series/1-004.dcm' -> '.../1-4.dcm'."""
        folders, _, name = path.rpartition("/")
        _, found, rest = f"/{folders}/".partition(f"/{patient}/")
        name = re.sub(r"(\d+)(?=\.dcm$)", lambda match: str(int(match[1])), name, flags=re.IGNORECASE)
        return " ".join(f"{patient if found else ''}/{rest}{name}".split())


def _read_boxes(path: Path) -> dict[str, tuple[int, int]]:
    """patient -> first slice of the box, and the one after its last, counted from 1."""
    table = _read_sheet(path, "Patient ID", "Start Slice", "End Slice")
    boxes: dict[str, tuple[int, int]] = {}
    for patient, start, end in zip(table["Patient ID"], table["Start Slice"], table["End Slice"]):
        if patient in boxes:
            raise InputError(f"{path.name} has more than one row for {patient}; it needs one a patient")
        try:
            boxes[patient] = (int(float(start)), int(float(end)))
        except (ValueError, OverflowError):
            raise InputError(
                f"{path.name}: the slices of {patient} are {start!r} and {end!r}, not two numbers"
            ) from None
    return boxes


def _read_vendors(path: Path) -> dict[str, str]:
    """patient -> vendor of the sheet's Manufacturer, which is a code or a name; "" for an unknown one."""
    table = _read_sheet(path, "Patient ID", "Manufacturer", sheet="Data")
    codes = [re.sub(r"\.0$", "", text) for text in table["Manufacturer"]]
    return {patient: DUKE_VENDORS.get(code) or vendor_of(code) for patient, code in zip(table["Patient ID"], codes)}


def _read_mapping(path: Path) -> pd.DataFrame:
    """One row a file: patient, series, slice (from 1) and the sheet's own path columns."""
    original, options = "original_path_and_filename", ("classic_path", "descriptive_path")
    table = _read_sheet(path, original, optional=options)
    if not any(name in table for name in options):
        raise InputError(f"{path.name} needs the column {' or '.join(options)}; it has {', '.join(table.columns)}")
    parts = table[original].str.extract(r"/(?P<patient>[^/]+)/(?P<series>[^/]+)/[^/]*?(?P<slice>\d+)\.dcm$")
    if parts.empty or parts["slice"].isna().any():
        example = table.loc[parts["slice"].isna(), original].iloc[0] if len(parts) else "no rows"
        raise InputError(
            f"{path.name}: {original} must look like DICOM_Images/PATIENT/SERIES/PATIENT_SERIES_005.dcm,"
            f" got {example!r}"
        )
    return pd.concat([table, parts.astype({"slice": int})], axis=1)


# ---------------------------------------------------------------------------------------------------- sheets


def _read_sheet(path: Path, *columns: str, optional: tuple[str, ...] = (), sheet: str | None = None) -> pd.DataFrame:
    """The named columns, as texts, of a sheet whose header is anywhere in its first five rows.

    Names are compared without stray blanks and newlines; of repeated names the first counts. Rows without a value in
    the first column (units, legends) are left out. InputError names what is missing and what was found.
    """
    rows = iter(_rows_xlsx(path, sheet) if path.suffix == ".xlsx" else _read_csv(path, header=None).to_numpy().tolist())
    header: dict[str, int] = {}
    best: list[str] = []
    try:
        for _, row in zip(range(5), rows):
            names = [_cell(cell) for cell in row]
            if columns[0] in names:
                header = {name: number for number, name in reversed([*enumerate(names)]) if name}
                break
            best = max(best, [name for name in names if name], key=len)
        found = list(header) or best
        _need(path, found, *columns)
        wanted = {name: header[name] for name in (*columns, *optional) if name in header}
        values = [[_cell(row[n]) if n < len(row) else "" for n in wanted.values()] for row in rows]
    except InputError:
        raise
    except Exception as error:  # the reader fails in many ways over a damaged workbook, also half-way
        raise InputError(f"{path.name} cannot be read ({type(error).__name__}); export or download it again") from error
    return pd.DataFrame([row for row in values if row[0]], columns=list(wanted), dtype=str)


def _rows_xlsx(path: Path, sheet: str | None) -> Iterable[tuple[Any, ...]]:
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:
        raise InputError(f"{path.name} cannot be read ({type(error).__name__}); export or download it again") from error
    try:
        page = book[sheet] if sheet in book.sheetnames else book.worksheets[0]
        page.reset_dimensions()  # some writers state a wrong size
        yield from page.iter_rows(values_only=True)
    finally:
        book.close()


def _read_csv(path: Path, header: int | None = 0) -> pd.DataFrame:
    """All cells as texts, blanks stripped, nothing taken for missing."""
    try:
        table = pd.read_csv(
            path, header=header, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True
        )
    except Exception as error:
        raise InputError(
            f"{path.name} cannot be read as a comma-separated UTF-8 table ({type(error).__name__})"
        ) from error
    table.columns = [_cell(name) for name in table.columns]
    return table.map(str.strip)


def _cell(value: Any) -> str:
    """A cell as text without stray blanks and newlines; "" for an empty one."""
    return "" if value is None or value != value else " ".join(str(value).split())


def _need(path: Path, found: Iterable[str], *columns: str) -> None:
    found = list(found)
    missing = [name for name in columns if name not in found]
    if missing:
        shown = ", ".join(map(repr, found[:12])) + " ..." * (len(found) > 12) if found else "none"
        raise InputError(f"{path.name} lacks the column {', '.join(map(repr, missing))}; the columns found are {shown}")
