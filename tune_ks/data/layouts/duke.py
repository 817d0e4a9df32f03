"""Duke-Breast-Cancer-MRI as TCIA distributes it: three sheets, and one folder for each patient."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tune_ks.data.layouts.base import FileStatus, Layout
from tune_ks.data.layouts.items import LEFT_OUT, Item, Listing
from tune_ks.data.layouts.sheet_tables import read_columns
from tune_ks.data.layouts.sheets import InputError, UnknownSeries, present_column
from tune_ks.data.vendors import vendor_of

FOLDER = "Duke-Breast-Cancer-MRI"
SERIES = "pre"  # of the public slice task
BOXES = "Annotation_Boxes"
CLINICAL = "Clinical_and_Other_Features"
MAPPING = "Breast-Cancer-MRI-filepath_filename-mapping"
SHEETS = {"boxes": BOXES, "clinical": CLINICAL, "mapping": MAPPING}
ORIGINAL = "original_path_and_filename"  # column of the mapping sheet that says patient, series and slice
UID = "sop_instance_UID"  # its column that names the file itself, wherever it lies
ON_DISK = ("classic_path", "descriptive_path")  # its columns that say where the file lies, of two ways to download it
CODES = {"0": "GE", "1": "MPTRONIC", "2": "SIEMENS"}  # vendor by the sheet's code; 1 is in the legend and never occurs
MARGIN = 5  # slices between the box and a negative slice


class Duke(Layout):
    """A folder that holds Duke's three sheets. Its files lie in FOLDER, or in the root itself."""

    recognised_by = f"Duke's sheets ({BOXES}, {CLINICAL} and {MAPPING}, .xlsx or .csv)"
    of_source_study = True

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """The sheets as "boxes", "clinical" and "mapping", where all three are there."""
        sheets = _sheets_in(root)
        return sheets if len(sheets) == len(SHEETS) else None

    @classmethod
    def message_if_incomplete(cls, root: Path) -> str:
        """The sheets that are not there, where some are."""
        sheets = _sheets_in(root)
        missing = [f"{stem}.xlsx" for name, stem in SHEETS.items() if name not in sheets]
        if not sheets or not missing:
            return ""
        present = ", ".join(path.name for path in sheets.values())
        why = ""
        if "mapping" not in sheets:
            why = " Without the mapping sheet nothing says which file is which sequence and slice."
        return (
            f"{root} holds {present}, but not {', '.join(missing)} (or .csv)."
            f"{why} Download it from the Duke-Breast-Cancer-MRI page of TCIA and put it beside the others."
        )

    def files(self) -> list[FileStatus]:
        """Every file below FOLDER, or below the root where there is no such folder."""
        folder = self.root / FOLDER
        return self.files_below(folder if folder.is_dir() else self.root)

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """The files of one series (None: SERIES) that the sheets name and the disk has."""
        listing = list_duke(self.sheets, series or SERIES, files)
        if self.domain_columns:
            domain_of = _read_domains(self.sheets["clinical"], self.domain_columns, labels_required)
            for item in listing.items:
                item.domain = domain_of.get(item.patient_id, "")
        return listing


def list_duke(sheets: dict[str, Path], series: str, disk: list[FileStatus]) -> Listing:
    """The files of one series that the sheets name and that are among ``disk``."""
    facts = _read_sheets(sheets)
    mapping = facts.mapping
    known = mapping["series"].value_counts().sort_index()
    if series not in known:
        names = ", ".join(f"{name!r} ({count} files)" for name, count in known.items())
        raise UnknownSeries(f"{sheets['mapping'].name} has no series {series!r}; it has {names}")
    finder = _Finder(disk, set(mapping["patient"]), set(mapping[UID]) if UID in mapping else set())
    listing = Listing()
    for row in mapping[mapping["series"] == series].to_dict("records"):
        places = finder.find(row["patient"], [row[name] for name in ON_DISK if name in row], row.get(UID, ""))
        if not places and row["patient"] not in finder.patients:
            listing.left_out["in the mapping sheet, but the patient's folder is not here"] += 1
            continue
        path = places[0] if places else None
        reason = facts.why_unusable(row["patient"], path)
        if len(places) > 1:
            if finder.have_one_size(places):
                listing.left_out["further copies of a file, in another folder of the patient"] += len(places) - 1
            else:
                reason = "several files on disk fit it, and they are no copies of one file"
        if reason or path is None:
            listing.skipped.append((path or row[ORIGINAL], reason))
        else:
            listing.items.append(facts.item(row, path))
    too_close = sum(item.label == LEFT_OUT for item in listing.items)
    listing.left_out["another series"] = len(mapping) - int(known[series])
    listing.left_out[f"less than {MARGIN} slices from the tumour's box"] = too_close
    _refuse_repeated(sheets["mapping"], listing.items)
    return listing


def duke_label(number: int, start: int, end: int) -> int:
    """Label of slice ``number`` for a box over slices ``start`` to ``end``, all counted from 1.

    1 inside (start <= number < end), 0 at least MARGIN slices away, else LEFT_OUT: the rule of the public slice task.
    """
    if start <= number < end:
        return 1
    if number + MARGIN <= start or number - MARGIN > end:
        return 0
    return LEFT_OUT


@dataclass(frozen=True)
class _SheetFacts:
    """What the three sheets say."""

    boxes: dict[str, tuple[int, int]]  # patient -> first slice of the box, and the one after its last
    vendors: dict[str, str]  # patient -> vendor; "" for an unknown code
    mapping: pd.DataFrame  # one row for each file: patient, series, slice and the columns of paths
    scans: pd.DataFrame  # (patient, series) -> count of the slices that are listed, and max, the last of them

    def why_unusable(self, patient: str, path: str | None) -> str:
        """Why a file of this patient cannot serve; "" when it can."""
        if path is None:
            return "in the mapping sheet, but not on disk"
        if patient not in self.boxes:
            return f"no row in {BOXES}"
        if patient in self.vendors and not self.vendors[patient]:
            return f"an unknown Manufacturer code in {CLINICAL}"
        return ""

    def item(self, row: dict[str, Any], path: str) -> Item:
        """The Item of one row of the mapping sheet, whose file lies at ``path``."""
        patient = row["patient"]
        start, end = self.boxes[patient]
        count, last = self.scans.loc[(patient, row["series"])]
        return Item(
            path=path,
            patient_id=patient,
            series=row["series"],
            label=duke_label(int(row["slice"]), start, end),
            slice=float(row["slice"]),
            slices=float(last) if count == last else math.nan,  # else the sheet lists only some of the slices
            sheet_vendor=self.vendors.get(patient, ""),
        )


class _Finder:
    """Files on disk by the names of the mapping sheet.

    Zero padding, runs of blanks and letter case differ between the two. Some ways to download leave out the patient's
    folder (one folder for each series), or name a file by its SOP instance UID.
    """

    def __init__(self, disk: list[FileStatus], patients: set[str], uids: set[str]) -> None:
        self.patients: set[str] = set()  # those that have files in a folder of their own
        self.paths_by_key: dict[str, list[str]] = {}
        self.paths_by_uid: dict[str, list[str]] = {}
        self.size = {file.path: file.size for file in disk}
        names = {patient.casefold(): patient for patient in patients}
        for file in disk:
            *folders, name = file.path.split("/")
            patient = next((names[part.casefold()] for part in folders if part.casefold() in names), None)
            if patient is not None:
                self.patients.add(patient)
                self.paths_by_key.setdefault(_key(patient, file.path), []).append(file.path)
            else:
                self.paths_by_key.setdefault(_key_of_series(file.path), []).append(file.path)
            stem = name.rsplit(".dcm", 1)[0]
            if stem in uids:
                self.paths_by_uid.setdefault(stem, []).append(file.path)

    def find(self, patient: str, names: list[str], uid: str) -> list[str]:
        """The files that one of the sheet's ``names`` means, or its ``uid``: [] where none fits, several for copies."""
        for key_of in (lambda name: _key(patient, name), _key_of_series):
            for name in names:
                paths = self.paths_by_key.get(key_of(name), [])
                same_name = [path for path in paths if path.endswith("/" + name.rsplit("/", 1)[-1])]
                if same_name or paths:
                    return same_name or paths
        return self.paths_by_uid.get(uid, [])

    def have_one_size(self, paths: list[str]) -> bool:
        """Whether these files have the same name and size: copies of one file."""
        names = {path.rsplit("/", 1)[-1].casefold() for path in paths}
        return len(names) == 1 and len({self.size[path] for path in paths}) == 1


def _key(patient: str, path: str) -> str:
    """The path from the patient's folder on, without zero padding: '.../1-004.dcm' -> 'breast_mri_001/.../1-4.dcm'."""
    folders, _, name = path.casefold().rpartition("/")
    patient = patient.casefold()
    _, separator, rest = f"/{folders}/".partition(f"/{patient}/")
    start = patient if separator else ""
    return " ".join(f"{start}/{rest}{_without_padding(name)}".split())


def _key_of_series(path: str) -> str:
    """The folder of the series and the file, without zero padding."""
    *folders, name = path.casefold().split("/")
    return f"//{folders[-1] if folders else ''}/{_without_padding(name)}"


def _without_padding(name: str) -> str:
    return re.sub(r"(\d+)(?=\.dcm$)", lambda match: str(int(match[1])), name)


def _refuse_repeated(sheet: Path, items: list[Item]) -> None:
    counts = Counter(item.path for item in items)
    repeated = [path for path, count in counts.items() if count > 1]
    if repeated:
        raise InputError(f"{sheet.name} gives {repeated[0]} to more than one slice")


def _sheets_in(root: Path) -> dict[str, Path]:
    """Those of the three sheets that are there, as a workbook or else as a table."""
    sheets = {}
    for name, stem in SHEETS.items():
        files = [root / (stem + suffix) for suffix in (".xlsx", ".csv")]
        present = [path for path in files if path.is_file()]
        if present:
            sheets[name] = present[0]
    return sheets


def _read_sheets(sheets: dict[str, Path]) -> _SheetFacts:
    boxes = _read_boxes(sheets["boxes"])
    vendors = _read_vendors(sheets["clinical"])
    mapping = _read_mapping(sheets["mapping"])
    scans = mapping.groupby(["patient", "series"])["slice"].agg(["count", "max"])
    return _SheetFacts(boxes, vendors, mapping, scans)


def _read_boxes(path: Path) -> dict[str, tuple[int, int]]:
    """patient -> first slice of the box, and the one after its last, counted from 1."""
    table = read_columns(path, "Patient ID", "Start Slice", "End Slice")
    boxes: dict[str, tuple[int, int]] = {}
    for patient, start, end in zip(table["Patient ID"], table["Start Slice"], table["End Slice"]):
        if patient in boxes:
            raise InputError(f"{path.name} has more than one row for {patient}; it needs one row for each patient")
        try:
            boxes[patient] = (int(float(start)), int(float(end)))
        except (ValueError, OverflowError):
            raise InputError(
                f"{path.name}: the slices of {patient} are {start!r} and {end!r}, not two numbers"
            ) from None
    return boxes


def _read_vendors(path: Path) -> dict[str, str]:
    """patient -> vendor of the sheet's Manufacturer, which is a code or a name; "" for an unknown one."""
    table = read_columns(path, "Patient ID", "Manufacturer", sheet="Data")
    codes = [re.sub(r"\.0$", "", text) for text in table["Manufacturer"]]
    return {patient: CODES.get(code) or vendor_of(code) for patient, code in zip(table["Patient ID"], codes)}


def _read_domains(path: Path, names: tuple[str, ...], required: bool) -> dict[str, str]:
    """patient -> what the first of the columns ``names`` says; {} where none is there and none is ``required``."""
    table = read_columns(path, "Patient ID", optional=names, sheet="Data")
    column = present_column(path, table.columns, names, required=False)
    if not column and required:
        table = read_columns(path, "Patient ID", names[0], sheet="Data")  # InputError: it names the columns
    return dict(zip(table["Patient ID"], table[column])) if column else {}


def _read_mapping(path: Path) -> pd.DataFrame:
    """One row for each file: patient, series, slice (from 1) and the sheet's columns of paths."""
    table = read_columns(path, ORIGINAL, optional=(*ON_DISK, UID))
    if not any(name in table for name in ON_DISK):
        raise InputError(f"{path.name} needs the column {' or '.join(ON_DISK)}; it has {', '.join(table.columns)}")
    parts = table[ORIGINAL].str.extract(r"/(?P<patient>[^/]+)/(?P<series>[^/]+)/[^/]*?(?P<slice>\d+)\.dcm$")
    unreadable = parts["slice"].isna()
    if parts.empty or unreadable.any():
        example = "no rows" if parts.empty else table.loc[unreadable, ORIGINAL].iloc[0]
        raise InputError(
            f"{path.name}: {ORIGINAL} must look like DICOM_Images/PATIENT/SERIES/PATIENT_SERIES_005.dcm,"
            f" got {example!r}"
        )
    return pd.concat([table, parts.astype({"slice": int})], axis=1)
