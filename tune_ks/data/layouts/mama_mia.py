"""MAMA-MIA as Synapse distributes it: NIfTI volumes of each phase, expert masks, and one sheet.

    images/DUKE_001/duke_001_0000.nii.gz            the phase 0000 is before the contrast agent, 0001 the first after it
    segmentations/expert/duke_001.nii.gz            not zero where an expert saw the tumour
    clinical_and_imaging_info.xlsx                  a row for each patient; patient_id and manufacturer are needed

Every patient has a tumour, so that labels are those of slices, by the mask. Letter case does not count in names.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from tune_ks.data.layouts.base import FileStatus, Layout
from tune_ks.data.layouts.items import Item, Listing
from tune_ks.data.layouts.sheet_tables import positive_number, read_columns
from tune_ks.data.layouts.sheets import InputError, UnknownSeries, present_column
from tune_ks.data.vendors import vendor_if_named

STEM = "clinical_and_imaging_info"
SHEET = "dataset_info"  # of the workbook
IMAGES = "images"
MASKS = "segmentations/expert"
SERIES = "0001"  # the phase in which experts saw the tumour best
PHASE = re.compile(r"_(\d{4})\.nii(\.gz)?$", re.IGNORECASE)
SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
KNOWN = {"field_strength": "field_t", "repetition_time": "tr_ms", "echo_time": "te_ms"}  # column -> of the table


class Patient(NamedTuple):
    """A row of the sheet."""

    name: str
    vendor: str  # "" where the sheet does not say it
    domain: str
    known: dict[str, float]


class MamaMia(Layout):
    """A folder with MAMA-MIA's sheet and its folder ``images``."""

    recognised_by = f"MAMA-MIA's {STEM}.xlsx (or .csv) beside {IMAGES}/ and {MASKS}/"
    holds_volumes = True

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """The sheet as "patients", where the images are there too."""
        sheet = _sheet_in(root)
        return {"patients": sheet} if sheet and (root / IMAGES).is_dir() else None

    @classmethod
    def message_if_incomplete(cls, root: Path) -> str:
        """For the sheet without images, and for images and masks without the sheet."""
        sheet = _sheet_in(root)
        if sheet is not None:
            return f"{root} holds MAMA-MIA's {sheet.name}, but no folder {IMAGES}; put both into one folder"
        if (root / IMAGES).is_dir() and (root / MASKS).is_dir():
            return (
                f"{root} holds {IMAGES} and {MASKS} as MAMA-MIA does, but not {STEM}.xlsx (or .csv), which says who"
                " made the scanner; download it from MAMA-MIA's page and put it beside them"
            )
        return ""

    def files(self) -> list[FileStatus]:
        """The images, and the masks of the experts."""
        masks = self.root / MASKS
        return sorted([*self.files_below(self.root / IMAGES), *(self.files_below(masks) if masks.is_dir() else [])])

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """The volumes of one phase (None: SERIES). UnknownSeries where no patient has it."""
        phase = SERIES if series is None else series.zfill(len(SERIES))
        patients = _read_patients(self.sheets["patients"], self.domain_columns, labels_required)
        volumes = _volumes_by_patient([file.path for file in files])
        masks = _masks_by_patient([file.path for file in files])
        _require_phase(phase, volumes)
        listing = Listing()
        for key, of_patient in sorted(volumes.items()):
            paths = of_patient.get(phase, [])
            listing.left_out["another phase"] += sum(map(len, of_patient.values())) - len(paths)
            reason = _why_unusable(patients.get(key), masks.get(key, []), paths, phase)
            if reason:
                some = paths or next(iter(of_patient.values()))
                listing.skipped.append((some[0], reason))
                continue
            patient = patients[key]
            listing.items.append(
                Item(
                    path=paths[0],
                    patient_id=patient.name,
                    series=phase,
                    label=1,
                    domain=patient.domain,
                    sheet_vendor=patient.vendor,
                    mask=masks[key][0],
                    known=patient.known,
                )
            )
        listing.left_out["in the sheet, but the patient's images are not here"] = len(patients.keys() - volumes.keys())
        return listing


def _why_unusable(patient: Patient | None, masks: list[str], paths: list[str], phase: str) -> str:
    """Why a patient's volume cannot serve; "" when it can."""
    if patient is None:
        return f"the patient has no row in {STEM}"
    if not paths:
        return f"the patient has no phase {phase}"
    if len(paths) > 1:
        return "several files of one phase"
    if len(masks) != 1:
        return f"several masks in {MASKS}" if masks else f"no mask in {MASKS}"
    return ""


def _sheet_in(root: Path) -> Path | None:
    for suffix in (".xlsx", ".csv"):
        if (root / (STEM + suffix)).is_file():
            return root / (STEM + suffix)
    return None


def _volumes_by_patient(paths: list[str]) -> dict[str, dict[str, list[str]]]:
    """patient in small letters -> phase -> files."""
    volumes: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        parts = path.split("/")
        phase = PHASE.search(path)
        if len(parts) == 3 and parts[0] == IMAGES and phase:
            volumes[parts[1].casefold()][phase[1]].append(path)
    return volumes


def _masks_by_patient(paths: list[str]) -> dict[str, list[str]]:
    """patient in small letters -> files of the experts."""
    masks: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder == MASKS and SUFFIX.search(name):
            masks[SUFFIX.sub("", name).casefold()].append(path)
    return masks


def _require_phase(phase: str, volumes: dict[str, dict[str, list[str]]]) -> None:
    counts: Counter[str] = Counter()
    for of_patient in volumes.values():
        counts.update(of_patient.keys())
    if counts and phase not in counts:
        known = ", ".join(f"{name} ({count} patients)" for name, count in sorted(counts.items()))
        raise UnknownSeries(
            f"no patient has the phase {phase!r}; there are {known}. --series takes one of them: 0000 is before the"
            " contrast agent, 0001 the first after it"
        )
    if not counts:
        raise InputError(f"no file is called {IMAGES}/PATIENT/PATIENT_0000.nii.gz (or another phase), as in MAMA-MIA")


def _read_patients(sheet: Path, domain_columns: tuple[str, ...], required: bool) -> dict[str, Patient]:
    """patient in small letters -> its row."""
    table = read_columns(sheet, "patient_id", "manufacturer", optional=(*KNOWN, *domain_columns), sheet=SHEET)
    domain = present_column(sheet, table.columns, domain_columns, required)
    patients: dict[str, Patient] = {}
    for row in table.to_dict("records"):
        name = row["patient_id"]
        if name.casefold() in patients:
            raise InputError(f"{sheet.name} has more than one row for {name}; it needs one row for each patient")
        known = {target: positive_number(row[column]) for column, target in KNOWN.items() if column in row}
        patients[name.casefold()] = Patient(name, vendor_if_named(row["manufacturer"]), row.get(domain, ""), known)
    return patients
