"""BreastDCEDL as Zenodo distributes it: NIfTI volumes of three trials, masks of two, and sheets with a row a patient.

    BreastDCEDL_metadata.csv                                  pid, pCR, pre, post_early, post_late, xy_spacing ...
    BreastDCEDL_spy1/spt1_dce/P_spy1_vis1_acq0.nii.gz         full release; also P_spy2_vis1_dce_aqc_0, P_duke_aqc_0
    BreastDCEDL_spy1/spy1_mask/P_spy1_vis1_mask.nii.gz        not zero where the tumour is; Duke has no masks
    BreastDCEDL_ISPY2_min_crop/dce/ mask/                     cropped release: the slices with the tumour alone

Names say what a file is, whatever its folder; a sheet is a .csv in the folder or in one of its folders that has the
columns pid and pCR (Fridman et al., Sci. Data 13:264, 2026). All patients have cancer. In the full release a slice is
positive by the mask. The cropped release has no other slices, so that there the label is pCR, the patient's response.
"""

import math
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tune_ks.data.layouts.base import FileStatus, Layout, visible_names
from tune_ks.data.layouts.items import Item, Listing
from tune_ks.data.layouts.sheet_tables import positive_number, read_table
from tune_ks.data.layouts.sheets import InputError, UnknownSeries, require_columns
from tune_ks.data.vendors import vendor_if_named

NAMED = "breastdcedl"  # how its folders begin, in small letters
CROPPED = "min_crop"  # in the path of the cropped release
VOLUME = re.compile(r"(.+)_(spy1|spy2|duke)_(?:vis(\d+)_)?(?:dce_)?(?:acq|aqc)_?(\d+)\.nii(?:\.gz)?", re.IGNORECASE)
MASK = re.compile(r"(.+)_(?:spy1|spy2|duke)_(?:vis(\d+)_)?mask\.nii(?:\.gz)?", re.IGNORECASE)
VISIT = "1"  # the one before the treatment
PHASES = ("pre", "post_early", "post_late")  # columns: the number of the acquisition of that moment
SERIES = "post_early"
TRIALS = ("trial", "dataset")  # what --domain may call the trial
SPLIT_OF = {"0": "train", "1": "test", "2": "val"}  # column test: all of the authors' published test scores have 1
KNOWN = {"xy_spacing": "spacing_mm", "slice_thick": "thickness_mm"}  # column -> what the files themselves do not say
LOOKED_AT = 2**16  # bytes of a sheet


class File(NamedTuple):
    """A volume, by its name."""

    path: str
    patient: str
    trial: str
    number: int  # of the acquisition


class Sheets(NamedTuple):
    """All sheets as one: the first that gives a value counts."""

    values: dict[str, dict[str, str]]  # patient in small letters -> column -> text
    columns: set[str]

    def text(self, patient: str, column: str) -> str:
        """ "" where there is none."""
        return self.values.get(patient, {}).get(column, "")

    def number(self, patient: str, column: str) -> float:
        """NaN where there is none."""
        return float(pd.to_numeric(self.text(patient, column), errors="coerce"))


class BreastDCEDL(Layout):
    """A folder with sheets of BreastDCEDL."""

    recognised_by = "BreastDCEDL's sheet (BreastDCEDL_metadata.csv, columns pid and pCR) beside its volumes"
    holds_volumes = True

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """Every sheet by its path in the folder; those of the cropped release last."""
        tables = visible_names(root)
        for folder in visible_names(root):
            tables += [f"{folder}/{name}" for name in visible_names(root / folder)]
        names = [name for name in tables if name.endswith(".csv") and _is_sheet(root / name)]
        names.sort(key=lambda name: (CROPPED in name.casefold(), name))
        return {name: root / name for name in names} or None

    @classmethod
    def message_if_incomplete(cls, root: Path) -> str:
        """For BreastDCEDL's folders without a sheet."""
        folders = [name for name in visible_names(root) if name.casefold().startswith(NAMED)]
        if not folders:
            return ""
        return (
            f"{root} holds {folders[0]}, but no sheet of BreastDCEDL, which gives the labels (columns pid and pCR); put"
            " BreastDCEDL_metadata.csv or BreastDCEDL_metadata_min_crop.csv beside it"
        )

    def files(self) -> list[FileStatus]:
        """The volumes and the masks, by their names."""
        files = []
        for file in super().files():
            name = file.path.rpartition("/")[2]
            if VOLUME.fullmatch(name) or MASK.fullmatch(name):
                files.append(file)
        return files

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """The volumes of one moment: a name in PHASES (None: SERIES), or the number of an acquisition."""
        phase = SERIES if series is None else series
        if phase not in PHASES and not phase.isdecimal():
            raise UnknownSeries(
                f"--series must be one of {', '.join(PHASES)}, or the number of an acquisition; got {phase!r}"
            )
        sheets = self._read_sheets()
        listing = Listing()
        volumes = _volumes_by_patient(files, listing.left_out)
        masks = _masks_by_patient(files)
        is_cropped = self._is_cropped(volumes)
        for key, of_patient in sorted(volumes.items()):
            number = float(phase) if phase.isdecimal() else sheets.number(key, phase)
            chosen = [file for file in of_patient if file.number == number]
            listing.left_out["another acquisition"] += len(of_patient) - len(chosen)
            of_masks = [] if is_cropped else masks.get(key, [])
            reason = _why_no_file(key, sheets, phase, number, chosen)
            if not reason and labels_required:
                reason = _why_no_label(key, sheets, of_masks, is_cropped)
            if reason:
                listing.skipped.append(((chosen or of_patient)[0].path, reason))
                continue
            listing.items.append(_item(chosen[0], phase, key, sheets, of_masks, is_cropped))
        absent = sheets.values.keys() - volumes.keys()
        listing.left_out["in a sheet, but the patient's volumes are not here"] = len(absent)
        self._name_domains(listing, sheets, labels_required)
        listing.use_whole_splits("the column test is not used: it leaves out a patient; the patients are split anew")
        if is_cropped:
            listing.notes.append(
                "the label is pCR, the patient's response to the treatment, on every slice: the cropped release has no"
                " slice without the tumour"
            )
        return listing

    def _is_cropped(self, volumes: dict[str, list[File]]) -> bool:
        """Whether these are the volumes of the cropped release. InputError where there are volumes of both."""
        kinds = {CROPPED in file.path.casefold() for of_patient in volumes.values() for file in of_patient}
        if len(kinds) > 1:
            raise InputError(
                f"{self.root} holds volumes of the full and of the cropped release ({CROPPED}), whose labels differ;"
                " give a folder with one of them"
            )
        return True in kinds

    def _read_sheets(self) -> Sheets:
        """InputError for two rows of one patient in a sheet."""
        merged: dict[str, dict[str, str]] = defaultdict(dict)
        columns: set[str] = set()
        for name, sheet in self.sheets.items():
            table = read_table(sheet)
            require_columns(sheet, table.columns, "pid", "pCR")
            columns.update(table.columns)
            patients = table["pid"].str.casefold()
            if patients.duplicated().any():
                twice = table["pid"][patients.duplicated()].iloc[0]
                raise InputError(f"{name} has more than one row for {twice}; it needs one row for each patient")
            for patient, row in zip(patients, table.to_dict("records"), strict=True):
                for column, value in row.items():
                    if value:
                        merged[patient].setdefault(str(column), value)
        return Sheets(dict(merged), columns)

    def _name_domains(self, listing: Listing, sheets: Sheets, required: bool) -> None:
        """The maker stands for the vendor where the sheets name one for every patient; else the trial does."""
        column = next((name for name in self.domain_columns if name in sheets.columns), "")
        by_trial = any(name in TRIALS for name in self.domain_columns)
        if self.domain_columns and required and not column and not by_trial:
            require_columns(next(iter(self.sheets.values())), sorted(sheets.columns), self.domain_columns[0])
        makers = [vendor_if_named(sheets.text(item.patient_id.casefold(), "manufacturer")) for item in listing.items]
        for item, maker in zip(listing.items, makers, strict=True):
            trial = item.sheet_vendor
            item.domain = trial if by_trial else sheets.text(item.patient_id.casefold(), column)
            item.sheet_vendor = maker if all(makers) else trial
        if not all(makers) and not self.domain_columns:
            count = len(makers) - makers.count("")
            listing.notes.append(
                f"what is called a vendor is a trial: the sheets name the maker of the scanner for {count} of"
                f" {len(makers)} patients (--domain trial says so; a column manufacturer counts where it names all)"
            )


def _is_sheet(path: Path) -> bool:
    """Whether a .csv begins with a header that has the columns pid and pCR."""
    try:
        if not path.is_file():  # opening a named pipe would wait for ever
            return False
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            header = file.readline(LOOKED_AT)
    except OSError:
        return False
    return {"pid", "pCR"} <= {cell.strip().strip('"') for cell in header.split(",")}


def _volumes_by_patient(files: list[FileStatus], left_out: Counter[str]) -> dict[str, list[File]]:
    """patient in small letters -> the volumes of VISIT; those of another visit are counted."""
    volumes: dict[str, list[File]] = defaultdict(list)
    for file in files:
        name = VOLUME.fullmatch(file.path.rpartition("/")[2])
        if name is None:
            continue
        if name[3] not in (VISIT, None):
            left_out["another visit"] += 1
            continue
        volumes[name[1].casefold()].append(File(file.path, name[1], name[2].upper(), int(name[4])))
    return volumes


def _masks_by_patient(files: list[FileStatus]) -> dict[str, list[str]]:
    """patient in small letters -> masks of VISIT."""
    masks: dict[str, list[str]] = defaultdict(list)
    for file in files:
        name = MASK.fullmatch(file.path.rpartition("/")[2])
        if name is not None and name[2] in (VISIT, None):
            masks[name[1].casefold()].append(file.path)
    return masks


def _why_no_file(key: str, sheets: Sheets, phase: str, number: float, chosen: list[File]) -> str:
    """Why no volume of a patient can be chosen; "" where one can."""
    if key not in sheets.values:
        return "the patient has no row in a sheet"
    if math.isnan(number):
        return f"no sheet says which acquisition is {phase} (--series 1, for example, names it by its number)"
    if not chosen:
        return f"the patient has no acquisition {number:g}"
    return "several files of one acquisition" if len(chosen) > 1 else ""


def _why_no_label(key: str, sheets: Sheets, masks: list[str], is_cropped: bool) -> str:
    """Why a patient's volume has no labels; "" where it has."""
    if is_cropped:
        return "" if sheets.number(key, "pCR") in (0, 1) else "no pCR (0 or 1) in a sheet"
    if len(masks) != 1:
        return "several masks" if masks else "no mask (Duke's have none: give Duke's own DICOM files, with their boxes)"
    return ""


def _item(file: File, phase: str, key: str, sheets: Sheets, masks: list[str], is_cropped: bool) -> Item:
    response = sheets.number(key, "pCR")
    label = 1 if masks else None
    if is_cropped and response in (0, 1):
        label = int(response)
    known = {name: positive_number(sheets.text(key, column)) for column, name in KNOWN.items()}
    return Item(
        path=file.path,
        patient_id=file.patient,
        series=phase,
        label=label,
        split=SPLIT_OF.get(sheets.text(key, "test").removesuffix(".0"), ""),
        sheet_vendor=file.trial,
        mask=masks[0] if masks else "",
        known=known,
    )
