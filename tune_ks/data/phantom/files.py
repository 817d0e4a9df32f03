"""The files of a phantom, laid out as Duke-Breast-Cancer-MRI: DICOM slices, and three sheets that describe them."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tune_ks.core.seeding import seed_for
from tune_ks.data.phantom.scanner import Protocol, Sequence

VOLUME_SLICES = 60  # of the volume of which a few slices are written
SLICE_MM = 2.0
SLICE_Z_MM = (np.arange(1, VOLUME_SLICES + 1) - (VOLUME_SLICES + 1) / 2) * SLICE_MM
SERIES = {"pre": (3, "ax dyn pre"), "post_1": (4, "ax dyn 1st pass")}  # number and description
COMMENT = "synthetic phantom, not a patient"
TOP = "Duke-Breast-Cancer-MRI"
CODES: dict[str, dict[Any, int]] = {  # column -> value -> its code
    "Manufacturer": {"GE MEDICAL SYSTEMS": 0, "SIEMENS": 2},
    "Manufacturer Model Name": {"Avanto": 0, "SIGNA HDx": 3, "Signa HDxt": 4, "Skyra": 5},
    "Field Strength (Tesla)": {1.5: 1, 3.0: 3},
    "Flip Angle": {10.0: 2, 12.0: 3},
}


@dataclass(frozen=True)
class Exam:
    """One patient's examination: the values that all its files share."""

    patient_id: str
    scanner: Protocol
    sequence: Sequence
    matrix: int  # stored pixels a side
    fov_mm: float
    uid: Callable[..., str]  # purpose -> a unique identifier, the same whenever it is asked for
    slices: int = VOLUME_SLICES
    slice_mm: float = SLICE_MM
    series: Mapping[str, tuple[int, str]] = field(default_factory=lambda: SERIES)
    tags: Mapping[str, Any] = field(default_factory=dict)  # DICOM values of all files, in place of the usual ones

    def slice_z_mm(self, number: int) -> float:
        """Where slice ``number`` (from 1) lies; 0 is the middle of the volume."""
        return (number - (self.slices + 1) / 2) * self.slice_mm

    def position_mm(self, number: int) -> list[float]:
        """ImagePositionPatient: where the first stored pixel of slice ``number`` (from 1) lies."""
        spacing = self.fov_mm / self.matrix
        middle = self.matrix // 2
        first = (self.matrix - 1 - middle) * spacing if self.scanner.rotated else -middle * spacing
        return [round(first, 4), round(first, 4), self.slice_z_mm(number)]


def identifiers(settings: Any, seed: int, patient_id: str) -> Callable[..., str]:
    """The function ``uid`` of an Exam. ``settings``: the dataclass of a phantom, whose every value is part of them."""
    every_value = json.dumps(dataclasses.asdict(settings), sort_keys=True)

    def uid(*purpose: str | int) -> str:
        return f"2.25.{seed_for(seed, 'uid', every_value, patient_id, *purpose)}"

    return uid


class SliceFile(NamedTuple):
    """One row of the mapping sheet."""

    sop_instance_uid: str
    original_path: str
    classic_path: str
    descriptive_path: str


class Box(NamedTuple):
    """One row of the box sheet, counted from 1. The columns and rows are as the images are stored."""

    start_row: int
    end_row: int
    start_column: int
    end_column: int
    start_slice: int
    end_slice: int


@dataclass(frozen=True)
class WrittenPatient:
    """One patient whose slices are written, and what the sheets say of the patient."""

    patient_id: str
    clinical: list[Any]  # row of the clinical sheet
    box: Box
    files: list[SliceFile]
    slices: np.ndarray  # (n,) numbers of the slices that are written
    masks: np.ndarray  # (n, N, N) bool, tumour, as the images are stored


def write_slice(root: Path, exam: Exam, series: str, number: int, pixels: np.ndarray) -> SliceFile:
    """Write one slice (N, N) of 16-bit integers under ``root`` and return its row of the mapping sheet."""
    study = exam.uid("study")
    folder = exam.uid(series)
    instance = exam.uid(series, number)
    series_number, description = SERIES[series]
    study_name = f"01-01-1990-BREAST SYNTHETIC-{study[-5:]}"
    series_name = f"{series_number}.000000-{description}-{folder[-5:]}"
    file_name = f"1-{number:03d}.dcm"
    row = SliceFile(
        sop_instance_uid=instance,
        original_path=f"DICOM_Images/{exam.patient_id}/{series}/{exam.patient_id}_{series}_{number:03d}.dcm",
        classic_path=f"{TOP}/{exam.patient_id}/{study}/{folder}/{file_name}",
        descriptive_path=f"{TOP}/{exam.patient_id}/{study_name}/{series_name}/{file_name}",
    )
    write_dicom(root / row.descriptive_path, exam, series, number, pixels)
    return row


def write_dicom(path: Path, exam: Exam, series: str, number: int, pixels: np.ndarray) -> None:
    """Write one slice (N, N) of 16-bit integers as the file ``path``."""
    tags = {**_identity_tags(exam, series, number), **_acquisition_tags(exam), **_image_tags(exam, number, pixels)}
    save_dicom(path, {**tags, **exam.tags})


def save_dicom(path: Path, tags: dict[str, Any]) -> None:
    """Write one MR image with these DICOM values, SOPInstanceUID among them, as the file ``path``."""
    # here, because most commands find the phantom written
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = tags["SOPInstanceUID"]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = MRImageStorage
    for name, value in tags.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)


def _identity_tags(exam: Exam, series: str, number: int) -> dict[str, Any]:
    """Patient, study, series and instance. The patient's name says that there is no patient."""
    series_number, description = exam.series[series]
    return {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPInstanceUID": exam.uid(series, number),
        "StudyInstanceUID": exam.uid("study"),
        "SeriesInstanceUID": exam.uid(series),
        "FrameOfReferenceUID": exam.uid("frame"),
        "PatientName": exam.patient_id,
        "PatientID": exam.patient_id,
        "PatientBirthDate": "",
        "PatientSex": "F",
        "StudyDate": "19900101",
        "StudyTime": "",
        "StudyID": "",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "PositionReferenceIndicator": "",
        "Laterality": "",
        "ImageComments": COMMENT,
        "SeriesNumber": series_number,
        "SeriesDescription": description,
        "InstanceNumber": number,
        "AcquisitionNumber": 1,
    }


def _acquisition_tags(exam: Exam) -> dict[str, Any]:
    scanner = exam.scanner
    sequence = exam.sequence
    acquired = scanner.acquired(exam.matrix)
    return {
        "Modality": "MR",
        "BodyPartExamined": "BREAST",
        "PatientPosition": "FFP",
        "Manufacturer": scanner.manufacturer,
        "ManufacturerModelName": scanner.models[sequence.field_t],
        "ScanningSequence": "GR",
        "SequenceVariant": "SP",
        "ScanOptions": ["PFP", "FS"],
        "MRAcquisitionType": "3D",
        "EchoTrainLength": 1,
        "MagneticFieldStrength": sequence.field_t,
        "FlipAngle": sequence.flip_deg,
        "RepetitionTime": sequence.tr_ms,
        "EchoTime": sequence.te_ms,
        "InPlanePhaseEncodingDirection": "ROW",  # left-right: k-space lines are columns
        "AcquisitionMatrix": [acquired, 0, 0, acquired],  # frequency rows, columns, phase rows, columns
    }


def _image_tags(exam: Exam, number: int, pixels: np.ndarray) -> dict[str, Any]:
    """Geometry and pixels of slice ``number``."""
    sign = -1.0 if exam.scanner.rotated else 1.0
    spacing = round(exam.fov_mm / exam.matrix, 6)
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "NONE"],
        "PixelSpacing": [spacing, spacing],
        "ReconstructionDiameter": exam.fov_mm,
        "SliceThickness": exam.slice_mm,
        "SpacingBetweenSlices": exam.slice_mm,
        "ImageOrientationPatient": [sign, 0.0, 0.0, 0.0, sign, 0.0],
        "ImagePositionPatient": exam.position_mm(number),
        "SliceLocation": exam.slice_z_mm(number),
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": pixels.astype("<u2").tobytes(),
    }


# (group, name, code legend) of the clinical sheet's columns, as the original spells them, stray blanks included
CLINICAL_COLUMNS = [
    ("Patient Information", "Patient ID", None),
    ("MRI Technical Information", "Manufacturer", "GE MEDICAL SYSTEMS=0, MPTronic software=1, SIEMENS=2"),
    (None, "Manufacturer Model Name", "Avanto=0, SIGNA HDx=3, Signa HDxt=4, Skyra=5"),
    (None, "Field Strength (Tesla)", "1.494=0,1.5=1,2.8936=2,3=3"),
    (None, "Patient Position During MRI", "FFP=0,HFP=1"),
    (None, "Image Position of Patient", None),
    (None, "TR (Repetition Time)", None),
    (None, "TE (Echo Time)", None),
    (None, "Slice Thickness ", "1=2,2=18"),
    (None, "Flip Angle \n", "7=0,8=1,10=2,12=3"),
    ("Demographics", "Date of Birth (Days)", None),
]


def write_sheets(root: Path, patients: list[WrittenPatient]) -> None:
    """Annotation boxes, clinical sheet (three header rows, coded values) and file mapping."""
    boxes: list[list[Any]] = [
        ["Patient ID", "Start Row", "End Row", "Start Column", "End Column", "Start Slice", "End Slice"]
    ]
    clinical = [list(header) for header in zip(*CLINICAL_COLUMNS)]
    mapping = [["sop_instance_UID", "original_path_and_filename", "classic_path", "descriptive_path"]]
    for patient in patients:
        boxes.append([patient.patient_id, *patient.box])
        clinical.append(patient.clinical)
        mapping += [list(file) for file in patient.files]
    _save(root / "Annotation_Boxes.xlsx", "Sheet1", boxes)
    _save(root / "Clinical_and_Other_Features.xlsx", "Data", clinical)
    _save(root / "Breast-Cancer-MRI-filepath_filename-mapping.xlsx", "Sheet1", mapping)


def write_masks(root: Path, patients: list[WrittenPatient]) -> None:
    """``masks.npz``: "PHANTOM_001" (n, N, N) bool and "PHANTOM_001_slices" (n,) for every patient."""
    masks = {patient.patient_id: patient.masks for patient in patients}
    slices = {f"{patient.patient_id}_slices": patient.slices for patient in patients}
    np.savez_compressed(root / "masks.npz", allow_pickle=False, **masks, **slices)


def clinical_row(exam: Exam) -> list[Any]:
    """The values of ``CLINICAL_COLUMNS``, coded as the original codes them."""
    scanner = exam.scanner
    sequence = exam.sequence
    values = {
        "Patient ID": exam.patient_id,
        "Manufacturer": CODES["Manufacturer"][scanner.manufacturer],
        "Manufacturer Model Name": CODES["Manufacturer Model Name"][scanner.models[sequence.field_t]],
        "Field Strength (Tesla)": CODES["Field Strength (Tesla)"][sequence.field_t],
        "Patient Position During MRI": 0,
        "Image Position of Patient": " X ".join(f"{value:g}" for value in exam.position_mm(1)),
        "TR (Repetition Time)": sequence.tr_ms,
        "TE (Echo Time)": sequence.te_ms,
        "Slice Thickness": 18,
        "Flip Angle": CODES["Flip Angle"][sequence.flip_deg],
        "Date of Birth (Days)": "NA",
    }
    return [values[name.strip()] for _, name, _ in CLINICAL_COLUMNS]


def _save(path: Path, sheet: str, rows: list[list[Any]]) -> None:
    import openpyxl  # here, because most commands find the phantom written

    workbook = openpyxl.Workbook()
    worksheet = workbook.active
    worksheet.title = sheet
    for row in rows:
        worksheet.append(row)
    workbook.save(path)
