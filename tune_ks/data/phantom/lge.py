"""The phantom of scarred hearts: late gadolinium enhancement by two vendors, as DICOM files with labels.csv.

Every heart is a cube of as many slices as an image has pixels when it is sampled at ``slices`` px. ``heart`` draws it,
the scanner's chain of the breast phantom scans it. It shows that the tool works, never that k-sampling does.
"""

import csv
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tune_ks.core.seeding import generator
from tune_ks.data.phantom.description import DESCRIPTION, holds
from tune_ks.data.phantom.files import Exam, identifiers, write_dicom
from tune_ks.data.phantom.heart import MYOCARDIUM_T1_MS, SCAR_T1_MS, Heart, inversion_recovery, nulling_ti_ms
from tune_ks.data.phantom.scanner import (
    GE,
    GLAND_SIGNAL,
    SIEMENS,
    Protocol,
    Sequence,
    acquire,
    coil_sensitivity,
    smooth_phase,
    store,
)
from tune_ks.data.progress import Progress, silent
from tune_ks.data.whole_folder import whole_folder

VERSION = 1  # of the generator: raised whenever the same settings give other files
TR_MS = 800.0  # between two inversions: one heart beat at 75 a minute
SERIES = {"lge": (7, "LGE 3D")}
TAGS = {
    "BodyPartExamined": "HEART",
    "PatientPosition": "HFS",
    "PatientSex": "",
    "ScanningSequence": ["GR", "IR"],
    "ScanOptions": "CG",
}


class Vendor(NamedTuple):
    """A scanner, and how it misses the inversion time that nulls healthy myocardium, as a share of that time."""

    scanner: Protocol
    ti_error: float  # mean over patients
    ti_spread: float  # standard deviation over patients


# Chosen: GE's inversion time was found a while before the scan, and T1 has grown since, so that it is too short and
# healthy myocardium is grey; Siemens' is found just before. All scan at 1.5 T, with what else makes them differ.
VENDORS = {
    "GE": Vendor(dataclasses.replace(GE, share_3t=0.0, noise=0.08, flip_deg=20.0, fov_ratio=1.0), -0.06, 0.03),
    "SIEMENS": Vendor(dataclasses.replace(SIEMENS, share_3t=0.0, noise=0.05, flip_deg=20.0), 0.0, 0.015),
}
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class LgeSettings:
    """What the phantom depends on; numbers of hearts are per vendor. 18 training and 16 test hearts, as published."""

    seed: int = 0
    train: int = 9
    val: int = 4
    test: int = 8
    slices: int = 32
    matrix: int = 64  # stored pixels a side
    fov_mm: float = 112.0
    ti_error: bool = True  # False: no vendor misses the inversion time

    def __post_init__(self) -> None:
        if min(self.train, self.val, self.test) < 1:
            raise ValueError(f"there must be a heart for each split, got {self.train}, {self.val} and {self.test}")
        if self.slices < 8 or self.matrix < self.slices or self.matrix % 4:
            raise ValueError(
                f"slices must be 8 or more, and matrix a multiple of 4, at least the slices; got {self.slices} and "
                f"{self.matrix}"
            )

    def splits(self) -> list[str]:
        """The split of each heart of a vendor."""
        counts = (self.train, self.val, self.test)
        return [split for split, count in zip(SPLITS, counts, strict=True) for _ in range(count)]


@dataclass(frozen=True)
class PlannedHeart:
    """One patient of the phantom."""

    patient_id: str
    vendor: str
    index: int  # within the vendor
    split: str


class WrittenHeart(NamedTuple):
    """What labels.csv and masks.npz say of a patient whose slices are written."""

    rows: list[dict[str, Any]]
    scar: np.ndarray  # (slices, N, N) bool, as the images are stored
    myocardium: np.ndarray  # the same, scar included


def planned_hearts(settings: LgeSettings) -> list[PlannedHeart]:
    """Every heart; the vendors take turns in the numbers of the patients."""
    hearts = []
    for first, vendor in enumerate(VENDORS, start=1):
        for index, split in enumerate(settings.splits()):
            hearts.append(PlannedHeart(f"HEART_{first + index * len(VENDORS):03d}", vendor, index, split))
    return hearts


def write_lge(root: Path, settings: LgeSettings, progress: Progress = silent) -> Path:
    """Write the hearts under ``root``, or return at once when they are there. Returns ``root``.

    Everything is written beside ``root`` and renamed when whole. ValueError when ``root`` holds anything else.
    """
    root = Path(root)
    description = json.dumps({"phantom": "lge", "version": VERSION, **dataclasses.asdict(settings)}, indent=1)
    if holds(root, description):
        return root
    with whole_folder(root, lambda: holds(root, description)) as scratch:
        plans = planned_hearts(settings)
        masks: dict[str, np.ndarray] = {}
        rows: list[dict[str, Any]] = []
        for done, plan in enumerate(plans, start=1):
            written = write_heart(plan, settings, scratch)
            rows += written.rows
            masks[plan.patient_id] = written.scar
            masks[f"{plan.patient_id}_organ"] = written.myocardium
            masks[f"{plan.patient_id}_slices"] = np.arange(1, settings.slices + 1)
            progress("phantom", done, len(plans))
        with (scratch / "labels.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(sorted(rows, key=lambda row: row["path"]))
        np.savez_compressed(scratch / "masks.npz", allow_pickle=False, **masks)
        (scratch / DESCRIPTION).write_text(description)
    return root


def write_heart(plan: PlannedHeart, settings: LgeSettings, root: Path) -> WrittenHeart:
    """Draw one heart, scan it and write its slices."""

    def stream(purpose: str, *more: str | int) -> np.random.Generator:
        return generator(settings.seed, "lge", purpose, plan.vendor, plan.index, *more)

    heart = Heart(stream("anatomy"))
    exam, ti_ms, gain = examine(plan, settings, stream("exam"))
    scanner = exam.scanner
    fine = settings.matrix * 3 // 2  # the object is finer than any image of it
    x, y = grid_mm(fine, settings.fov_mm)
    shading = coil_sensitivity(x, y, stream("coil")) ** scanner.shading
    stored_x, stored_y = grid_mm(settings.matrix, settings.fov_mm)
    # the chain's noise is relative to GLAND_SIGNAL, which here is the signal of scar where myocardium is nulled
    unit = GLAND_SIGNAL / inversion_recovery(SCAR_T1_MS, nulling_ti_ms(MYOCARDIUM_T1_MS, TR_MS), TR_MS)
    rows, scars, walls = [], [], []
    for number in range(1, settings.slices + 1):
        z = exam.slice_z_mm(number)
        tissue = heart.slice_at(x, y, z)
        signal = unit * tissue.density * inversion_recovery(tissue.t1_ms, ti_ms, TR_MS) * shading
        phase = smooth_phase(fine, stream("phase", number))
        transverse = (signal * np.exp(1j * phase)).astype(np.complex64)
        magnitude = acquire(transverse, settings.matrix, scanner, exam.sequence.field_t, stream("noise", number))
        path = f"{plan.patient_id}/{number:03d}.dcm"
        write_dicom(root / path, exam, "lge", number, store(magnitude, scanner, gain))
        masks = heart.slice_at(stored_x, stored_y, z)
        turned = slice(None, None, -1 if scanner.rotated else 1)
        scars.append(masks.scar[turned, turned])
        walls.append(masks.myocardium[turned, turned])
        rows.append(
            {
                "path": path,
                "patient_id": plan.patient_id,
                "label": int(masks.scar.any()),
                "slice": number,
                "slices": settings.slices,
                "split": plan.split,
            }
        )
    return WrittenHeart(rows, np.stack(scars), np.stack(walls))


def examine(plan: PlannedHeart, settings: LgeSettings, rng: np.random.Generator) -> tuple[Exam, float, float]:
    """The examination, its inversion time in ms, and its receiver gain relative to the vendor's."""
    vendor = VENDORS[plan.vendor]
    missed = rng.normal(vendor.ti_error, vendor.ti_spread)
    gain = rng.lognormal(0, 0.2)
    ti_ms = nulling_ti_ms(MYOCARDIUM_T1_MS, TR_MS) * (1 + missed * settings.ti_error)
    scanner = vendor.scanner
    exam = Exam(
        patient_id=plan.patient_id,
        scanner=scanner,
        sequence=Sequence(tr_ms=TR_MS, te_ms=scanner.te_ms, flip_deg=scanner.flip_deg, field_t=1.5),
        matrix=settings.matrix,
        fov_mm=settings.fov_mm * scanner.fov_ratio,
        uid=identifiers(settings, settings.seed, plan.patient_id),
        slices=settings.slices,
        slice_mm=settings.fov_mm / settings.slices,
        series=SERIES,
        tags={**TAGS, "InversionTime": round(ti_ms, 1)},
    )
    return exam, ti_ms, gain


def grid_mm(matrix: int, fov_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns' x and rows' y in mm, the first row in front. Pixel n // 2 lies at 0 at every matrix."""
    offset = (np.arange(matrix) - matrix // 2) * np.float32(fov_mm / matrix)
    return offset.astype(np.float32), -offset.astype(np.float32)
