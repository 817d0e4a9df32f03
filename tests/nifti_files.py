"""Writes small NIfTI volumes, and folders of them as MAMA-MIA and ODELIA are shared, from the phantom's images."""

from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import openpyxl
import pandas as pd

from tune_ks.data.dicom.reader import read_file
from tune_ks.data.layouts.detect import detect
from tune_ks.data.phantom.write import PhantomSettings, write_phantom

ORDER = (0, 0, 1, *[2] * 4, 3, 3, 2, 3)  # of a phantom patient's images, two with the tumour first, in a volume
MARKED = [1, 2, 3]  # the slices of ORDER that show the tumour
PLANTED = "PLANTEDNAME"  # a text in every header, which must reach nothing
CODES = ("LPS", "RAS", "PIR", "SAL", "IRA")  # orders and directions of the axes in the file


class Patient(NamedTuple):
    """One patient of the phantom as a volume: axes to the left, the back and the head."""

    name: str
    vendor: str
    images: np.ndarray  # (slices, rows, columns) in the canonical orientation of the DICOM reader
    marked: np.ndarray  # the same shape, bool
    spacing_mm: float


def phantom_patients(folder: Path, per_vendor: int = 3, matrix: int = 48) -> list[Patient]:
    """Patients of a phantom that is written into ``folder``, read by the DICOM reader."""
    root = write_phantom(folder, PhantomSettings(patients=per_vendor, slices=4, matrix=matrix), workers=1)
    drawn = np.load(root / "masks.npz")
    layout = detect(root, labels_required=True)
    items = layout.listing("post_1", True, layout.files()).items
    patients = []
    for name in sorted({item.patient_id for item in items}):
        numbers = drawn[f"{name}_slices"].tolist()
        images = []
        for item in items:
            if item.patient_id == name:
                read = read_file(root / item.path)
                stored = drawn[name][numbers.index(item.slice)]
                mask = stored[::-1, ::-1] if read.header.vendor == "GE" else stored  # GE's images are turned
                images.append((read.image, mask))
        by_tumour = sorted(images, key=lambda pair: not pair[1].any())
        stacked = np.stack([by_tumour[place][0] for place in ORDER])
        marked = np.stack([by_tumour[place][1] for place in ORDER])
        patients.append(Patient(name, read.header.vendor, stacked, marked, read.header.spacing_mm))
    return patients


def write_volume(path: Path, values: np.ndarray, spacing_mm: float = 1.0, code: str = "LPS", **header) -> Path:
    """One volume of (slices, rows, columns), from the right, the front and the feet on; stored in the axes ``code``."""
    affine = np.diag([-spacing_mm, -spacing_mm, 2.5 * spacing_mm, 1.0])
    affine[:3, 3] = 30, 20, -50
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine)
    to = nibabel.orientations.axcodes2ornt(code)
    image = image.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(affine), to))
    image.header["descrip"] = PLANTED
    image.header["aux_file"] = PLANTED
    image.header["intent_name"] = PLANTED[:15]
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", PLANTED.encode()))
    for name, value in header.items():
        image.header[name] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return path


def write_mama_mia(root: Path, patients: list[Patient]) -> Path:
    """The phases 0000 and 0001 of each patient, each patient stored in another order of the axes."""
    book = openpyxl.Workbook()
    book.active.title = "about"
    sheet = book.create_sheet("dataset_info")
    sheet.append(["patient_id", "dataset", "site", "manufacturer", "field_strength", "age"])
    for number, patient in enumerate(patients):
        maker = {"GE": "GE MEDICAL SYSTEMS", "SIEMENS": "SIEMENS"}[patient.vendor]
        name = patient.name.lower()
        sheet.append([patient.name, "DUKE", f"site {number % 2}", maker, 1.5, 50])
        code = CODES[number % len(CODES)]
        values = patient.images.astype(np.int16)
        for phase in range(2):
            path = root / "images" / patient.name / f"{name}_{phase:04d}.nii.gz"
            write_volume(path, values // (2 - phase), patient.spacing_mm, code)
        mask = root / "segmentations/expert" / f"{name}.nii.gz"
        write_volume(mask, patient.marked.astype(np.uint8), patient.spacing_mm, code)
    book.save(root / "clinical_and_imaging_info.xlsx")
    return root


def write_breast_dcedl(root: Path, patients: list[Patient], cropped: bool = False) -> Path:
    """Two trials, of which each has the acquisitions before the contrast agent and early after it.

    As its authors' program saves them: arrays (slices, rows, columns) of float64, and the identity for an affine.
    """
    rows = []
    for number, patient in enumerate(patients):
        trial, acquisition, early = (("spy1", "acq", 1), ("spy2", "dce_aqc_", 2))[number % 2]
        of_trial = root / f"BreastDCEDL_{trial}{'_min_crop' if cropped else ''}"
        masks = of_trial / "mask"
        masks.mkdir(parents=True, exist_ok=True)
        (of_trial / "dce").mkdir(exist_ok=True)
        for phase, values in ((0, patient.images // 2), (early, patient.images)):
            volume = nibabel.Nifti1Image(values.astype(np.float64), np.eye(4))
            volume.to_filename(of_trial / "dce" / f"{patient.name}_{trial}_vis1_{acquisition}{phase}.nii.gz")
        volume = nibabel.Nifti1Image(patient.marked.astype(np.float64), np.eye(4))
        volume.to_filename(masks / f"{patient.name}_{trial}_vis1_mask.nii.gz")
        row = {"pid": patient.name, "pCR": f"{number // 2 % 2}.0", "age": 50, "pre": "0.0", "post_early": f"{early}.0"}
        spacing = {"xy_spacing": patient.spacing_mm, "slice_thick": 2.5 * patient.spacing_mm}
        rows.append({**row, **spacing, "dataset": "duke", "test": f"{number // 2 % 3}.0"})
    pd.DataFrame(rows).to_csv(root / f"BreastDCEDL_metadata{'_min_crop' if cropped else ''}.csv", index=False)
    return root


def write_odelia(root: Path, patients: list[Patient]) -> Path:
    """Two centres; a patient's left breast is malignant, and the right one benign or without a lesion."""
    for centre in ("ALPHA", "BETA"):
        rows = []
        for number, patient in enumerate(patients):
            for side in ("left", "right"):
                uid = f"{patient.name}_{side}"
                rows.append({"UID": uid, "Lesion": 2 if side == "left" else number % 2})
                folder = root / centre / "data_unilateral" / uid
                write_volume(folder / "Post_1.nii.gz", patient.images, patient.spacing_mm)
                write_volume(folder / "Sub_1.nii.gz", patient.images - patient.images.mean(), patient.spacing_mm)
        meta = root / centre / "metadata_unilateral"
        meta.mkdir()
        table = pd.DataFrame(rows)
        table.to_csv(meta / "annotation.csv", index=False)
        splits = ("train", "val", "test")
        split = [splits[number // 2 % 3] for number in range(len(rows))]
        table[["UID"]].assign(Fold=0, Split=split).to_csv(meta / "split.csv", index=False)
    return root
