"""One patient of the default phantom: drawn, scanned, and written as files."""

from pathlib import Path

import numpy as np

from tune_ks.core.seeding import generator
from tune_ks.data.phantom.anatomy import Lesion, Patient
from tune_ks.data.phantom.files import (
    SERIES,
    SLICE_Z_MM,
    Box,
    Exam,
    WrittenPatient,
    clinical_row,
    identifiers,
    write_slice,
)
from tune_ks.data.phantom.plan import PlannedPatient
from tune_ks.data.phantom.scanner import (
    Protocol,
    Sequence,
    acquire,
    coil_sensitivity,
    protocol,
    signal,
    smooth_phase,
    store,
)
from tune_ks.data.phantom.settings import PhantomSettings


def write_patient(plan: PlannedPatient, settings: PhantomSettings, scratch: Path) -> WrittenPatient:
    """Write the slices of both series below ``scratch``; what the sheets and the masks say of them is returned."""

    def stream(purpose: str, *more: str | int) -> np.random.Generator:
        return generator(settings.seed, "phantom", purpose, plan.vendor, plan.index, *more)

    # a stream for each purpose: no switch moves another draw, and none moves the anatomy
    patient = Patient(stream("anatomy"), plan.tumour_z_mm, plan.tumour_radius_mm)
    scanner = protocol(plan.vendor, settings.off())
    exam, gain = _examine(plan, settings, scanner, stream("exam"))
    fine = settings.matrix * 3 // 2  # the object is finer than any image of it
    x, y = grid_mm(fine, exam.fov_mm)
    shading = coil_sensitivity(x, y, stream("coil")) ** scanner.shading
    files = []
    numbers = sorted(plan.positive + plan.negative)
    for number in numbers:
        tissue = patient.render(x, y, SLICE_Z_MM[number - 1])
        for series in SERIES:
            phase = smooth_phase(fine, stream("phase", series, number))
            transverse = signal(tissue, exam.sequence, scanner, contrast=series != "pre") * shading * np.exp(1j * phase)
            noise = stream("noise", series, number)
            magnitude = acquire(transverse, settings.matrix, scanner, exam.sequence.field_t, noise)
            files.append(write_slice(scratch, exam, series, number, store(magnitude, scanner, gain)))
    masks = [_mask(patient.tumour, number, exam) for number in numbers]
    return WrittenPatient(
        patient_id=plan.patient_id,
        clinical=clinical_row(exam),
        box=_box(patient.tumour, plan, exam),
        files=files,
        slices=np.array(numbers),
        masks=np.stack(masks),
    )


def _box(tumour: Lesion, plan: PlannedPatient, exam: Exam) -> Box:
    """What bounds the tumour in every slice of the plan's box, also in those that are not written."""
    masks = [_mask(tumour, number, exam) for number in range(plan.start_slice, plan.end_slice)]
    anywhere = np.any(masks, axis=0)
    rows = np.flatnonzero(anywhere.any(axis=1)) + 1
    columns = np.flatnonzero(anywhere.any(axis=0)) + 1
    return Box(
        start_row=int(rows[0]),
        end_row=int(rows[-1]),
        start_column=int(columns[0]),
        end_column=int(columns[-1]),
        start_slice=plan.start_slice,
        end_slice=plan.end_slice,
    )


def _examine(
    plan: PlannedPatient, settings: PhantomSettings, scanner: Protocol, rng: np.random.Generator
) -> tuple[Exam, float]:
    """The examination, and its receiver gain relative to the vendor's."""
    field_t = 3.0 if rng.random() < scanner.share_3t else 1.5
    stretch = rng.uniform(0.93, 1.07)
    gain = rng.lognormal(0, 0.2)
    sequence = Sequence(
        tr_ms=round(scanner.tr_ms * stretch, 2),
        te_ms=round(scanner.te_ms * stretch, 2),
        flip_deg=scanner.flip_deg,
        field_t=field_t,
    )
    exam = Exam(
        patient_id=plan.patient_id,
        scanner=scanner,
        sequence=sequence,
        matrix=settings.matrix,
        fov_mm=settings.fov_mm * scanner.fov_ratio,
        uid=identifiers(settings, settings.seed, plan.patient_id),
    )
    return exam, gain


def grid_mm(matrix: int, fov_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns' x and rows' y in mm. Pixel n // 2 lies at the same place at every matrix, as DC does in k-space."""
    offset = (np.arange(matrix) - matrix // 2) * np.float32(fov_mm / matrix)
    return offset.astype(np.float32), (42.0 - offset).astype(np.float32)


def _mask(tumour: Lesion, number: int, exam: Exam) -> np.ndarray:
    """(N, N) bool of slice ``number``, in the stored orientation."""
    x, y = grid_mm(exam.matrix, exam.fov_mm)
    mask = tumour.mask(x, y, SLICE_Z_MM[number - 1])
    return mask[::-1, ::-1] if exam.scanner.rotated else mask
