"""The embedded default: a synthetic two-vendor breast MRI cohort, as DICOM files in Duke-Breast-Cancer-MRI's layout.

It shows that the tool works, never that k-sampling does. ``anatomy`` draws the breasts, ``scanner`` scans them.
"""

import dataclasses
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from scipy.optimize import linear_sum_assignment

from tune_ks.data.anatomy import Patient, tumour_extent
from tune_ks.data.scanner import (
    PROTOCOLS,
    SWITCHES,
    Protocol,
    Sequence,
    acquire,
    coil_sensitivity,
    protocol,
    signal,
    smooth_phase,
    store,
)
from tune_ks.seeding import generator, seed_for

VERSION = 1  # of the generator: raised whenever the same settings give other files
VOLUME_SLICES, SLICE_MM = 60, 2.0  # the volume of which a few slices are written
MARGIN = 5  # slices between a negative slice and the tumour's box: the public label rule
SERIES = {"pre": ("3.000000-ax dyn pre", False), "post_1": ("4.000000-ax dyn 1st pass", True)}
COMMENT = "synthetic phantom, not a patient"
TOP = "Duke-Breast-Cancer-MRI"


@dataclass(frozen=True)
class PhantomSettings:
    """What a phantom depends on. A switch that is off gives GE the value of Siemens, whose images never change."""

    seed: int = 0
    patients: int = 80  # per vendor
    slices: int = 4  # files a patient a series, half of them positive
    matrix: int = 192  # stored pixels a side
    fov_mm: float = 160.0  # of Siemens; GE's is smaller by its fov_ratio
    matrix_ratio: bool = True
    fermi: bool = True
    noise: bool = True
    te_tr_b0: bool = True
    fat_residual: bool = True
    bias: bool = True
    orientation: bool = True
    gain: bool = True
    pixel_spacing: bool = True

    def __post_init__(self) -> None:
        if self.patients < 2:
            raise ValueError(f"patients must be 2 or more per vendor, got {self.patients}")
        if self.slices < 2 or self.slices % 2:
            raise ValueError(f"slices must be even and at least 2, half of them are positive; got {self.slices}")
        if self.matrix < 32 or self.matrix % 4:
            raise ValueError(f"matrix must be a multiple of 4 and at least 32, got {self.matrix}")
        if not 100 <= self.fov_mm <= 250:
            raise ValueError(f"fov_mm must be in [100, 250], a view of one breast; got {self.fov_mm}")

    def off(self) -> tuple[str, ...]:
        """The switches that are off."""
        return tuple(name for name in SWITCHES if not getattr(self, name))


@dataclass(frozen=True)
class PlannedPatient:
    """Where one patient's tumour lies and which slices are written. Slices count from 1."""

    patient_id: str
    vendor: str
    index: int  # within the vendor
    tumour_z_mm: float
    tumour_radius_mm: float
    start_slice: int  # of the box
    end_slice: int  # exclusive, as the label rule reads it
    positive: tuple[int, ...]
    negative: tuple[int, ...]


@dataclass(frozen=True)
class Written:
    """What the sheets say of one patient."""

    plan: PlannedPatient
    box: tuple[int, int, int, int]  # start row, end row, start column, end column of the stored image, from 1
    facts: dict[str, Any]  # columns of the clinical sheet
    files: list[tuple[str, str, str, str]]  # rows of the mapping sheet


def write_phantom(
    root: Path,
    settings: PhantomSettings,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write the cohort under ``root``, or return at once when it is there. Returns ``root``.

    Everything is written beside ``root`` and renamed when whole. ``workers`` processes (None: one a core, 8 at most);
    ``progress("phantom", done, patients)`` after each patient. ValueError when ``root`` holds anything else.
    """
    root = Path(root)
    told = json.dumps({"version": VERSION, **dataclasses.asdict(settings)}, indent=1)
    if _holds(root, told):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        plans = [plan for vendor in PROTOCOLS for plan in plan_vendor(vendor, settings)]
        written = []
        for one in _each_patient(plans, settings, scratch, workers):
            written.append(one)
            if progress is not None:
                progress("phantom", len(written), len(plans))
        written.sort(key=lambda one: one.plan.patient_id)
        _write_sheets(scratch, written)
        (scratch / "phantom.json").write_text(told)
        scratch.chmod(0o755)
        try:
            scratch.rename(root)
        except OSError:
            if not _holds(root, told):  # another process may have written the same one meanwhile
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return root


def plan_vendor(vendor: str, settings: PhantomSettings) -> list[PlannedPatient]:
    """Tumours and slices of one vendor. The negative slices are the positive ones of other patients, each used once:
    whatever is read off the position alone, both classes share its distribution."""
    rng = generator(settings.seed, "phantom", "plan", vendor)
    n, half = settings.patients, settings.slices // 2
    for _ in range(1000):
        strata = (np.arange(n) + rng.random(n)) / n
        centre = np.floor(10 + 42 * rng.permutation(strata)).astype(int)
        radius = np.clip(rng.lognormal(np.log(10), 0.35, n), 5, 20)  # diameter: median 20 mm
        z = (centre - (VOLUME_SLICES + 1) / 2 + rng.uniform(-0.5, 0.5, n)) * SLICE_MM
        span = np.maximum(np.ceil(half / 2), np.floor(0.6 * radius / SLICE_MM - 0.5)).astype(int)
        positive = [np.sort(c + rng.choice(np.arange(-s, s + 1), half, replace=False)) for c, s in zip(centre, span)]
        reach = [np.flatnonzero(np.abs(_z_mm() - at) < r) + 1 for at, r in zip(z, radius)]
        box = [(int(cut[0]), int(cut[-1]) + 1) for cut in reach]
        negative = _other_slices(np.array(positive), np.array(box), rng)
        inside = all(start <= p[0] and p[-1] < end for p, (start, end) in zip(positive, box))
        if negative is not None and inside:
            break
    else:
        raise ValueError(
            f"no slices obey the label rule for {n} patients with {settings.slices} slices; use more patients"
        )
    first = list(PROTOCOLS).index(vendor) + 1
    return [
        PlannedPatient(
            f"PHANTOM_{first + i * len(PROTOCOLS):03d}", vendor, i, float(z[i]), float(radius[i]), *box[i],
            tuple(int(p) for p in positive[i]), tuple(int(p) for p in negative[i]),
        )
        for i in range(n)
    ]  # fmt: skip


def _other_slices(positive: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """(patients, k) positive slices -> (patients, k) negative ones: a permutation the label rule allows, or None."""
    n, k = positive.shape
    slot = np.repeat(np.arange(n), k)
    pool = positive.ravel()
    below, above = pool[None, :] + MARGIN <= box[slot, :1], pool[None, :] - MARGIN > box[slot, 1:]
    # half of a patient's slots prefer a slice below the tumour, half above: both sides wherever there is room
    wants_below = (np.arange(n * k) % 2 == 0)[:, None]
    for _ in range(20):
        cost = np.where(np.where(wants_below, below, above), 0.0, 1.0) + 0.5 * rng.random((n * k, n * k))
        cost = np.where(below | above, cost, 1e6)
        rows, columns = linear_sum_assignment(cost)
        chosen = pool[columns].reshape(n, k)
        if cost[rows, columns].max() < 1e6 and all(len(set(row)) == k for row in chosen.tolist()):
            return np.sort(chosen, axis=1)
    return None


def _z_mm() -> np.ndarray:
    return (np.arange(1, VOLUME_SLICES + 1) - (VOLUME_SLICES + 1) / 2) * SLICE_MM


def _each_patient(plans, settings, scratch, workers):
    count = min(workers or min(os.cpu_count() or 1, 8), len(plans))
    if count == 1:
        yield from (_write_patient(plan, settings, scratch) for plan in plans)
        return
    # spawned, not forked: the caller may hold threads of torch or Ray
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_write_patient, plan, settings, scratch) for plan in plans]):
            yield future.result()


def _write_patient(plan: PlannedPatient, settings: PhantomSettings, scratch: Path) -> Written:
    def stream(purpose: str, *more: str | int) -> np.random.Generator:
        return generator(settings.seed, "phantom", purpose, plan.vendor, plan.index, *more)

    # a stream a purpose: no switch moves another draw, and none moves the anatomy
    patient = Patient(stream("anatomy"), plan.tumour_z_mm, plan.tumour_radius_mm)
    scanner = protocol(plan.vendor, settings.off())
    exam = stream("exam")
    field_t = 3.0 if exam.random() < scanner.share_3t else 1.5
    stretch, gain = exam.uniform(0.93, 1.07), exam.lognormal(0, 0.2)
    tr_ms, te_ms = round(scanner.tr_ms * stretch, 2), round(scanner.te_ms * stretch, 2)
    sequence = Sequence(tr_ms, te_ms, scanner.flip_deg, field_t)

    fov = settings.fov_mm * scanner.fov_ratio
    fine = settings.matrix * 3 // 2  # the object is finer than any image of it
    x, y = grid_mm(fine, fov)
    shading = coil_sensitivity(x, y, stream("coil")) ** scanner.shading
    z_mm = _z_mm()
    files, masks, slices = [], [], sorted(plan.positive + plan.negative)
    for number in slices:
        tissue = patient.render(x, y, z_mm[number - 1])
        column, row = grid_mm(settings.matrix, fov)
        masks.append(patient.tumour.share(column, row, z_mm[number - 1])[0] > 0.5)
        for series, (_, contrast) in SERIES.items():
            phase = smooth_phase(fine, stream("phase", series, number))
            transverse = signal(tissue, sequence, scanner, contrast) * shading * np.exp(1j * phase)
            magnitude = acquire(transverse, settings.matrix, scanner, field_t, stream("noise", series, number))
            pixels = store(magnitude, scanner, gain)
            files.append(_write_file(pixels, plan, settings, scanner, sequence, series, number, scratch))
    stored = np.stack([mask[::-1, ::-1] if scanner.rotated else mask for mask in masks])
    (scratch / "masks").mkdir(exist_ok=True)
    np.savez_compressed(scratch / "masks" / f"{plan.patient_id}.npz", slice=np.array(slices), mask=stored)
    return Written(plan, _box(patient, settings.matrix, fov, scanner), _facts(plan, settings, scanner, sequence), files)


def grid_mm(matrix: int, fov_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns' x and rows' y in mm. Pixel n // 2 lies at the same place at every matrix, as DC does in k-space."""
    offset = (np.arange(matrix) - matrix // 2) * np.float32(fov_mm / matrix)
    return offset.astype(np.float32), (48.0 - offset).astype(np.float32)


def _box(patient: Patient, matrix: int, fov: float, scanner: Protocol) -> tuple[int, int, int, int]:
    x, y = grid_mm(matrix, fov)
    z_mm = _z_mm()
    cut = tumour_extent(patient.tumour, z_mm)
    whole = np.any([patient.tumour.share(x, y, z_mm[i])[0] > 0.5 for i in cut], axis=0)
    whole = whole[::-1, ::-1] if scanner.rotated else whole
    rows, columns = np.flatnonzero(whole.any(1)) + 1, np.flatnonzero(whole.any(0)) + 1
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def _position_mm(matrix: int, fov: float, number: int, scanner: Protocol) -> list[float]:
    """ImagePositionPatient: where the first stored pixel lies."""
    spacing = fov / matrix
    first = (matrix - 1 - matrix // 2) * spacing if scanner.rotated else -(matrix // 2) * spacing
    return [round(first, 4), round(first, 4), float(_z_mm()[number - 1])]


def _write_file(
    pixels: np.ndarray, plan: PlannedPatient, settings: PhantomSettings, scanner: Protocol, sequence: Sequence,
    series: str, number: int, scratch: Path,
) -> tuple[str, str, str, str]:  # fmt: skip
    told = json.dumps(dataclasses.asdict(settings), sort_keys=True)

    def uid(*what: str | int) -> str:
        return f"2.25.{seed_for(settings.seed, 'uid', told, plan.patient_id, *what)}"

    study, folder, file = uid("study"), uid(series), uid(series, number)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, file
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    title = SERIES[series][0]
    description = title.split("-", 1)[1]
    place = f"{plan.patient_id}/01-01-1990-BREAST SYNTHETIC-{int(study[-5:]):05d}/{title}-{int(folder[-5:]):05d}"
    path = scratch / TOP / place / f"1-{number:03d}.dcm"

    acquired = round(scanner.acquired_ratio * settings.matrix / 2) * 2
    fov = settings.fov_mm * scanner.fov_ratio
    sign = -1.0 if scanner.rotated else 1.0
    data = FileDataset(str(path), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    data.SpecificCharacterSet = "ISO_IR 100"
    data.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, file
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, folder, uid("frame")
    data.StudyDate, data.StudyTime, data.AccessionNumber, data.StudyID = "19900101", "", "", ""
    data.ReferringPhysicianName, data.PositionReferenceIndicator, data.Laterality = "", "", ""
    data.Modality, data.BodyPartExamined, data.PatientPosition = "MR", "BREAST", "FFP"
    data.Manufacturer, data.ManufacturerModelName = scanner.manufacturer, scanner.models[sequence.field_t]
    data.SeriesDescription, data.SeriesNumber = description, int(float(title.split("-")[0]))
    data.PatientName = data.PatientID = plan.patient_id
    data.PatientBirthDate, data.PatientSex = "", "F"
    data.ImageComments = COMMENT
    data.ScanningSequence, data.SequenceVariant, data.ScanOptions, data.MRAcquisitionType = (
        "GR",
        "SP",
        ["PFP", "FS"],
        "3D",
    )
    data.MagneticFieldStrength, data.FlipAngle = sequence.field_t, sequence.flip_deg
    data.RepetitionTime, data.EchoTime, data.EchoTrainLength = sequence.tr_ms, sequence.te_ms, 1
    data.InPlanePhaseEncodingDirection = "ROW"
    data.AcquisitionMatrix = [acquired, 0, 0, acquired]  # frequency rows, columns, phase rows, columns
    data.PixelSpacing = [round(fov / settings.matrix, 6)] * 2
    data.ReconstructionDiameter, data.SliceThickness, data.SpacingBetweenSlices = fov, SLICE_MM, SLICE_MM
    data.ImageOrientationPatient = [sign, 0.0, 0.0, 0.0, sign, 0.0]
    data.ImagePositionPatient = _position_mm(settings.matrix, fov, number, scanner)
    data.SliceLocation, data.InstanceNumber, data.AcquisitionNumber = float(_z_mm()[number - 1]), number, 1
    data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = *pixels.shape, 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelData = pixels.astype("<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)

    original = f"DICOM_Images/{plan.patient_id}/{series}/{plan.patient_id}_{series}_{number:03d}.dcm"
    classic = f"{TOP}/{plan.patient_id}/{study}/{folder}/1-{number:03d}.dcm"
    return file, original, classic, f"{TOP}/{place}/1-{number:03d}.dcm"


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


def _facts(plan: PlannedPatient, settings: PhantomSettings, scanner: Protocol, sequence: Sequence) -> dict[str, Any]:
    position = _position_mm(settings.matrix, settings.fov_mm * scanner.fov_ratio, 1, scanner)
    models = {"Avanto": 0, "SIGNA HDx": 3, "Signa HDxt": 4, "Skyra": 5}
    return {
        "Patient ID": plan.patient_id,
        "Manufacturer": {"GE": 0, "SIEMENS": 2}[plan.vendor],
        "Manufacturer Model Name": models[scanner.models[sequence.field_t]],
        "Field Strength (Tesla)": 3 if sequence.field_t == 3.0 else 1,
        "Patient Position During MRI": 0,
        "Image Position of Patient": " X ".join(f"{value:g}" for value in position),
        "TR (Repetition Time)": sequence.tr_ms,
        "TE (Echo Time)": sequence.te_ms,
        "Slice Thickness ": 18,
        "Flip Angle \n": {10.0: 2, 12.0: 3}[sequence.flip_deg],
        "Date of Birth (Days)": "NA",
    }


def _write_sheets(scratch: Path, written: list[Written]) -> None:
    def save(name: str, sheet: str, rows: list[list[Any]]) -> None:
        book = openpyxl.Workbook()
        page = book.active
        page.title = sheet
        for row in rows:
            page.append(row)
        book.save(scratch / name)

    boxes = [["Patient ID", "Start Row", "End Row", "Start Column", "End Column", "Start Slice", "End Slice"]]
    boxes += [[w.plan.patient_id, *w.box, w.plan.start_slice, w.plan.end_slice] for w in written]
    save("Annotation_Boxes.xlsx", "Sheet1", boxes)
    clinical = [list(header) for header in zip(*CLINICAL_COLUMNS)]
    clinical += [[w.facts[name] for _, name, _ in CLINICAL_COLUMNS] for w in written]
    save("Clinical_and_Other_Features.xlsx", "Data", clinical)
    mapping = [["sop_instance_UID", "original_path_and_filename", "classic_path", "descriptive_path"]]
    mapping += [list(file) for w in written for file in w.files]
    save("Breast-Cancer-MRI-filepath_filename-mapping.xlsx", "Sheet1", mapping)


def _holds(root: Path, told: str) -> bool:
    """Whether ``root`` is this very phantom; ValueError when it is something else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    note = root / "phantom.json"
    if note.is_file() and note.read_text() == told:
        return True
    what = "a phantom of other settings or of another version" if note.is_file() else "files that are no phantom"
    raise ValueError(f"{root} holds {what}; choose another folder for it, or remove that one")
