"""A phantom's files as Duke-Breast-Cancer-MRI has them: DICOM slices, and three sheets that describe them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from tune_ks.data.phantom.scanner import Protocol, Sequence

VOLUME_SLICES, SLICE_MM = 60, 2.0  # the volume of which a few slices are written
SLICE_Z_MM = (np.arange(1, VOLUME_SLICES + 1) - (VOLUME_SLICES + 1) / 2) * SLICE_MM
SERIES = {"pre": (3, "ax dyn pre"), "post_1": (4, "ax dyn 1st pass")}  # number and description
COMMENT = "synthetic phantom, not a patient"
TOP = "Duke-Breast-Cancer-MRI"
CODES = {
    "Manufacturer": {"GE MEDICAL SYSTEMS": 0, "SIEMENS": 2},
    "Manufacturer Model Name": {"Avanto": 0, "SIGNA HDx": 3, "Signa HDxt": 4, "Skyra": 5},
    "Field Strength (Tesla)": {1.5: 1, 3.0: 3},
    "Flip Angle": {10.0: 2, 12.0: 3},
}


@dataclass(frozen=True)
class Exam:
    """One patient's examination: what every file of it says."""

    patient_id: str
    scanner: Protocol
    sequence: Sequence
    matrix: int  # stored pixels a side
    fov_mm: float
    uid: Callable[..., str]  # purpose -> a unique identifier, the same one each time

    def position_mm(self, number: int) -> list[float]:
        """ImagePositionPatient: where the first stored pixel of slice ``number`` (from 1) lies."""
        spacing, middle = self.fov_mm / self.matrix, self.matrix // 2
        first = (self.matrix - 1 - middle) * spacing if self.scanner.rotated else -middle * spacing
        return [round(first, 4), round(first, 4), float(SLICE_Z_MM[number - 1])]


@dataclass(frozen=True)
class Written:
    """What the sheets say of one patient."""

    patient_id: str
    clinical: list[Any]
    box: tuple[int, int, int, int, int, int]  # rows, columns, slices: start and end of each, from 1
    files: list[tuple[str, str, str, str]]  # rows of the mapping sheet
    slices: np.ndarray  # (n,) numbers of the slices written
    masks: np.ndarray  # (n, N, N) bool, tumour, as the images are stored


def write_slice(root: Path, exam: Exam, series: str, number: int, pixels: np.ndarray) -> tuple[str, str, str, str]:
    """Write one slice (N, N) of 16-bit integers under ``root`` and return its row of the mapping sheet."""
    scanner, sequence = exam.scanner, exam.sequence
    study, folder, instance = exam.uid("study"), exam.uid(series), exam.uid(series, number)
    series_number, description = SERIES[series]
    place = (
        f"{exam.patient_id}/01-01-1990-BREAST SYNTHETIC-{study[-5:]}/{series_number}.000000-{description}-{folder[-5:]}"
    )
    path = root / TOP / place / f"1-{number:03d}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    data.SpecificCharacterSet = "ISO_IR 100"
    data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, instance
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, folder, exam.uid("frame")
    data.PatientName = data.PatientID = exam.patient_id
    data.PatientBirthDate, data.PatientSex = "", "F"
    data.StudyDate, data.StudyTime, data.StudyID, data.AccessionNumber = "19900101", "", "", ""
    data.ReferringPhysicianName, data.PositionReferenceIndicator, data.Laterality = "", "", ""
    data.ImageComments = COMMENT
    data.Modality, data.BodyPartExamined, data.PatientPosition = "MR", "BREAST", "FFP"
    data.Manufacturer, data.ManufacturerModelName = scanner.manufacturer, scanner.models[sequence.field_t]
    data.SeriesNumber, data.SeriesDescription = series_number, description
    data.InstanceNumber, data.AcquisitionNumber = number, 1
    data.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    data.ScanningSequence, data.SequenceVariant, data.ScanOptions = "GR", "SP", ["PFP", "FS"]
    data.MRAcquisitionType, data.EchoTrainLength = "3D", 1
    data.MagneticFieldStrength, data.FlipAngle = sequence.field_t, sequence.flip_deg
    data.RepetitionTime, data.EchoTime = sequence.tr_ms, sequence.te_ms

    acquired = scanner.acquired(exam.matrix)
    data.InPlanePhaseEncodingDirection = "ROW"  # left-right: k-space lines are columns
    data.AcquisitionMatrix = [acquired, 0, 0, acquired]  # frequency rows, columns, phase rows, columns
    data.PixelSpacing = [round(exam.fov_mm / exam.matrix, 6)] * 2
    data.ReconstructionDiameter, data.SliceThickness, data.SpacingBetweenSlices = exam.fov_mm, SLICE_MM, SLICE_MM
    sign = -1.0 if scanner.rotated else 1.0
    data.ImageOrientationPatient = [sign, 0.0, 0.0, 0.0, sign, 0.0]
    data.ImagePositionPatient, data.SliceLocation = exam.position_mm(number), float(SLICE_Z_MM[number - 1])
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelData = pixels.astype("<u2").tobytes()
    data.save_as(path, enforce_file_format=True)

    original = f"DICOM_Images/{exam.patient_id}/{series}/{exam.patient_id}_{series}_{number:03d}.dcm"
    classic = f"{TOP}/{exam.patient_id}/{study}/{folder}/1-{number:03d}.dcm"
    return instance, original, classic, f"{TOP}/{place}/1-{number:03d}.dcm"


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


def write_sheets(root: Path, written: list[Written]) -> None:
    """Annotation boxes, clinical sheet (three header rows, coded values) and file mapping."""
    boxes = [["Patient ID", "Start Row", "End Row", "Start Column", "End Column", "Start Slice", "End Slice"]]
    boxes += [[one.patient_id, *one.box] for one in written]
    _save(root / "Annotation_Boxes.xlsx", "Sheet1", boxes)
    clinical = [list(header) for header in zip(*CLINICAL_COLUMNS)] + [one.clinical for one in written]
    _save(root / "Clinical_and_Other_Features.xlsx", "Data", clinical)
    mapping = [["sop_instance_UID", "original_path_and_filename", "classic_path", "descriptive_path"]]
    mapping += [list(file) for one in written for file in one.files]
    _save(root / "Breast-Cancer-MRI-filepath_filename-mapping.xlsx", "Sheet1", mapping)


def write_masks(root: Path, written: list[Written]) -> None:
    """``masks.npz``: "PHANTOM_001" (n, N, N) bool and "PHANTOM_001_slices" (n,) for every patient."""
    arrays = {one.patient_id: one.masks for one in written}
    np.savez_compressed(root / "masks.npz", **arrays, **{f"{one.patient_id}_slices": one.slices for one in written})


def clinical_row(exam: Exam) -> list[Any]:
    """The values of ``CLINICAL_COLUMNS``, coded as the original codes them."""
    scanner, sequence = exam.scanner, exam.sequence
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
    book = openpyxl.Workbook()
    page = book.active
    page.title = sheet
    for row in rows:
        page.append(row)
    book.save(path)
