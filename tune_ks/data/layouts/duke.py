"""Duke-Breast-Cancer-MRI's three sheets and the files on disk -> the Items of one series."""

import math
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from tune_ks.data.dicom.reader import vendor_of
from tune_ks.data.layouts.items import LEFT_OUT, Item, Listing
from tune_ks.data.layouts.sheets import InputError, read_columns

SERIES = "pre"  # the public slice task's
BOXES, CLINICAL = "Annotation_Boxes", "Clinical_and_Other_Features"
MAPPING = "Breast-Cancer-MRI-filepath_filename-mapping"
CODES = {"0": "GE", "1": "MPTRONIC", "2": "SIEMENS"}  # vendor by the sheet's code; 1 is in the legend and never occurs
MARGIN = 5  # slices between the box and a negative slice


def list_duke(sheets: dict[str, Path], series: str, disk: list[str]) -> Listing:
    """The files of one series that the sheets name and the disk has; ``sheets`` are boxes, clinical and mapping."""
    boxes = _read_boxes(sheets["boxes"])
    vendors = _read_vendors(sheets["clinical"])
    mapping = _read_mapping(sheets["mapping"])
    known = mapping["series"].value_counts().sort_index()
    if series not in known:
        names = ", ".join(f"{name!r} ({count} files)" for name, count in known.items())
        raise InputError(f"{sheets['mapping'].name} has no series {series!r}; it has {names}")
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
        raise InputError(f"{sheets['mapping'].name} gives {twice[0]} to more than one slice")
    return Listing(items, skipped, +left_out)


def duke_label(number: int, start: int, end: int) -> int:
    """Label of slice ``number`` for a box over slices ``start`` to ``end``, all counted from 1.

    1 inside (start <= number < end), 0 at least MARGIN slices away, else LEFT_OUT: the public slice task's rule.
    """
    if start <= number < end:
        return 1
    return 0 if number + MARGIN <= start or number - MARGIN > end else LEFT_OUT


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
    table = read_columns(path, "Patient ID", "Start Slice", "End Slice")
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
    table = read_columns(path, "Patient ID", "Manufacturer", sheet="Data")
    codes = [re.sub(r"\.0$", "", text) for text in table["Manufacturer"]]
    return {patient: CODES.get(code) or vendor_of(code) for patient, code in zip(table["Patient ID"], codes)}


def _read_mapping(path: Path) -> pd.DataFrame:
    """One row a file: patient, series, slice (from 1) and the sheet's own path columns."""
    original, options = "original_path_and_filename", ("classic_path", "descriptive_path")
    table = read_columns(path, original, optional=options)
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
