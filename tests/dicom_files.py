"""Writes tiny DICOM files, Duke-like folders and tables for the tests of the data layer."""

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
from pydicom.uid import MRImageStorage, generate_uid

from tune_ks.data.dicom.reader import read_file, read_header, read_planned
from tune_ks.data.phantom.files import save_dicom

MAKERS = {"GE": "GE MEDICAL SYSTEMS", "SIEMENS": "SIEMENS", "PHILIPS": "Philips Medical Systems"}
AXIAL, ROTATED = [1, 0, 0, 0, 1, 0], [-1, 0, 0, 0, -1, 0]
BOXES, CLINICAL = "Annotation_Boxes.xlsx", "Clinical_and_Other_Features.xlsx"
MAPPING = "Breast-Cancer-MRI-filepath_filename-mapping.xlsx"
PHI = ("PLANTEDNAME", "PLANTEDID", "19700131", "PLANTEDHOSPITAL", "1.2.3.777", "PLANTEDTEXT")


def anatomy(rows=16, columns=16, seed=0):
    """Integers without any symmetry, so that no flip or transpose goes unseen."""
    return np.random.default_rng(seed).integers(10, 1000, (rows, columns)).astype(np.uint16)


def write_dicom(path, pixels=None, vendor="SIEMENS", phi=False, **tags):
    """One MR file. ``tags`` replace what is written by default; None leaves a tag out."""
    pixels = anatomy() if pixels is None else pixels
    values = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": generate_uid(),
        "Modality": "MR",
        "Manufacturer": MAKERS.get(vendor, vendor),
        "ManufacturerModelName": "Model",
        "MagneticFieldStrength": 1.5,
        "RepetitionTime": 5.0,
        "EchoTime": 2.0,
        "FlipAngle": 10,
        "SliceThickness": 2.0,
        "AcquisitionMatrix": [0, 12, 12, 0],
        "InPlanePhaseEncodingDirection": "ROW",
        "ImageOrientationPatient": AXIAL,
        "PixelSpacing": [0.5, 0.5],
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
    if phi:
        name, number, day, hospital, uid, text = PHI
        values |= {"PatientName": name, "PatientID": number, "PatientBirthDate": day, "StudyDate": day}
        values |= {"InstitutionName": hospital, "StudyInstanceUID": uid, "SeriesDescription": text}
        values |= {"ReferringPhysicianName": name, "ImageComments": text, "StationName": hospital}
    save_dicom(Path(path), {name: value for name, value in (values | tags).items() if value is not None})
    return Path(path)


def read_image(path, orientation="canonical"):
    return read_file(path, orientation).image


def by_header(path, orientation="canonical"):
    """The file as a scan reads it: its header, and later its pixels alone where that can be."""
    header = read_header(path, orientation)
    return read_planned(path, header) or read_file(path, orientation)


def write_table_cohort(root, patients=4, images=4, vendors=("GE", "SIEMENS"), side=16, **columns):
    """A folder with labels.csv: every patient has as many positives as negatives. Returns the rows."""
    rows = []
    for vendor in vendors:
        for p in range(patients):
            for i in range(images):
                path = f"{vendor}{p}/{i}.dcm"
                write_dicom(root / path, anatomy(side, side, seed=len(rows)), vendor, phi=True)
                rows.append({"path": path, "patient_id": f"{vendor}{p}", "label": i % 2, "slice": i + 1})
                rows[-1] |= {name: make(rows[-1]) for name, make in columns.items()}
    save_labels(root, rows)
    return rows


def save_labels(root, rows):
    pd.DataFrame(rows).to_csv(Path(root) / "labels.csv", index=False)


def write_duke(
    root, folders="classic", padding="{:03d}", patients=3, slices=24, box=(8, 12), csv=False, series=("pre",)
):
    """A folder in Duke's layout, both vendors. ``padding`` is the disk's; the sheet always has three digits."""
    top = "Duke-Breast-Cancer-MRI"
    boxes = [["Patient ID", "Start Row", "End Row", "Start Column", "End Column", "Start Slice", "End Slice"]]
    clinical = [
        ["Patient Information", "MRI Technical Information", None, None],
        ["Patient ID", "Days to MRI (From the Date of Diagnosis)", " Manufacturer \n", "Manufacturer"],
        [None, None, "GE MEDICAL SYSTEMS=0, MPTronic software=1, SIEMENS=2", None],
    ]
    mapping = [["sop_instance_UID", "original_path_and_filename", "classic_path", "descriptive_path"]]
    for number in range(2 * patients):
        vendor, patient = ("GE", "SIEMENS")[number % 2], f"Breast_MRI_{number + 1:03d}"
        boxes.append([patient, 1, 4, 1, 4, *box])
        clinical.append([patient, 5, {"GE": 0, "SIEMENS": 2}[vendor], "other"])
        for name in series:
            for at in range(1, slices + 1):
                places = {
                    "classic": f"{top}/{patient}/1.3.6.{number}/1.3.6.{number}.{name}",
                    "descriptive": f"{top}/{patient}/01-01-1990-MRI BREAST-{number}/7.0-{name} dyn-{number}",
                }
                write_dicom(root / places[folders] / f"1-{padding.format(at)}.dcm", anatomy(seed=at), vendor)
                original = f"DICOM_Images/{patient}/{name}/{patient}_{name}_{at:03d}.dcm"
                mapping.append(["1.2.3", original, *(f"{place}/1-{at:03d}.dcm" for place in places.values())])
    for file, sheet, rows in ((BOXES, "Sheet1", boxes), (CLINICAL, "Data", clinical), (MAPPING, "Sheet1", mapping)):
        if csv:
            kept = rows[1:2] + rows[3:] if file == CLINICAL else rows
            pd.DataFrame(kept).to_csv((root / file).with_suffix(".csv"), header=False, index=False)
        else:
            save_sheet(root / file, rows, sheet)


def save_sheet(path, rows, sheet="Sheet1"):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.save(path)
