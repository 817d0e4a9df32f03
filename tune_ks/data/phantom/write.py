"""The default cohort: synthetic two-vendor breast MRI, as DICOM files in the layout of Duke-Breast-Cancer-MRI.

It shows that the tool works, never that k-sampling does. ``anatomy`` draws the breasts, ``scanner`` scans them.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tune_ks.core.seeding import generator, seed_for
from tune_ks.core.system import usable_cores
from tune_ks.data.child_process import ChildPool, Report, Task
from tune_ks.data.phantom.anatomy import Lesion, Patient
from tune_ks.data.phantom.files import (
    SERIES,
    SLICE_MM,
    SLICE_Z_MM,
    Box,
    Exam,
    WrittenPatient,
    clinical_row,
    write_masks,
    write_sheets,
    write_slice,
)
from tune_ks.data.phantom.scanner import (
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
from tune_ks.data.whole_folder import whole_folder

VERSION = 2  # of the generator: raised whenever the same settings give other files
MARGIN = 5  # slices between a negative slice and the tumour's box: the public label rule
PLANS_TRIED = 100  # until every patient has negative slices
DRAWS_TRIED = 20  # of the negative slices in one plan
FORBIDDEN = 1e6  # cost of a slice that the label rule does not allow


@dataclass(frozen=True)
class PhantomSettings:
    """What a phantom depends on. A switch that is off gives GE the value of Siemens, whose images never change."""

    seed: int = 0
    patients: int = 92  # per vendor: 1,472 files with the four slices of both series
    slices: int = 4  # files a patient a series, half of them positive
    matrix: int = 192  # stored pixels a side
    fov_mm: float = 160.0  # of Siemens; that of GE is smaller by its fov_ratio
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
        if self.slices not in (2, 4, 6, 8):  # the smallest tumour is cut by four slices
            raise ValueError(f"slices must be 2, 4, 6 or 8, half of them are positive; got {self.slices}")
        if self.matrix < 32 or self.matrix % 4:
            raise ValueError(f"matrix must be a multiple of 4 and at least 32, got {self.matrix}")
        if not 100 <= self.fov_mm <= 200:
            raise ValueError(f"fov_mm must be in [100, 200], a view of one breast; got {self.fov_mm}")

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


def write_phantom(
    root: Path,
    settings: PhantomSettings,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write the cohort under ``root``, or return at once when it is there. Returns ``root``.

    Everything is written beside ``root`` and renamed when whole. ``workers`` processes (None: one for each core, 8 at
    most); ``progress("phantom", done, patients)`` after each patient. ValueError when ``root`` holds anything else.
    """
    root = Path(root)
    description = json.dumps({"version": VERSION, **dataclasses.asdict(settings)}, indent=1)
    if holds(root, description):
        return root
    with whole_folder(root, lambda: holds(root, description)) as scratch:
        plans = [plan for vendor in PROTOCOLS for plan in plan_vendor(vendor, settings)]
        patients = []
        with contextlib.closing(_write_patients(plans, settings, scratch, workers)) as written:
            for patient in written:  # closed at once when a signal comes, and its processes with it
                patients.append(patient)
                if progress is not None:
                    progress("phantom", len(patients), len(plans))
        if len(patients) < len(plans):
            raise OSError(f"{root} cannot be written: a process that drew a patient died. Is there too little memory?")
        patients.sort(key=lambda patient: patient.patient_id)
        write_sheets(scratch, patients)
        write_masks(scratch, patients)
        (scratch / "phantom.json").write_text(description)
    return root


def plan_vendor(vendor: str, settings: PhantomSettings) -> list[PlannedPatient]:
    """Tumours and slices of one vendor. Its negative slices are its positive ones, each given to another patient: both
    classes then have the same distribution of positions, so that no position predicts the label."""
    rng = generator(settings.seed, "phantom", "plan", vendor)
    for _ in range(PLANS_TRIED):  # a few patients may leave no slice for one of them
        tumours = _draw_tumours(settings, rng)
        negative = _other_slices(tumours.positive, tumours.box, rng)
        if negative is not None:
            break
    else:
        raise ValueError(
            f"no slices of {settings.patients} patients obey the label rule with {settings.slices} slices; use more"
            " patients"
        )
    first = list(PROTOCOLS).index(vendor) + 1  # the vendors take turns
    return [
        PlannedPatient(
            patient_id=f"PHANTOM_{first + i * len(PROTOCOLS):03d}",
            vendor=vendor,
            index=i,
            tumour_z_mm=float(tumours.z_mm[i]),
            tumour_radius_mm=float(tumours.radius_mm[i]),
            start_slice=int(tumours.box[i, 0]),
            end_slice=int(tumours.box[i, 1]),
            positive=tuple(tumours.positive[i].tolist()),
            negative=tuple(negative[i].tolist()),
        )
        for i in range(settings.patients)
    ]


class _Tumours(NamedTuple):
    """The tumours of one vendor's n patients."""

    z_mm: np.ndarray  # (n,)
    radius_mm: np.ndarray  # (n,)
    box: np.ndarray  # (n, 2) first slice that cuts the tumour, and the one after the last
    positive: np.ndarray  # (n, k) slices to write, which cut it


def _draw_tumours(settings: PhantomSettings, rng: np.random.Generator) -> _Tumours:
    n = settings.patients
    strata = (np.arange(n) + rng.random(n)) / n
    middle = np.floor(10 + 42 * rng.permutation(strata)).astype(int)
    radius_mm = np.clip(rng.lognormal(np.log(10), 0.35, n), 5, 20)  # diameter: median 20 mm, 10 to 40 mm
    z_mm = SLICE_Z_MM[middle - 1] + rng.uniform(-0.5, 0.5, n) * SLICE_MM
    cuts = [np.flatnonzero(np.abs(SLICE_Z_MM - z) < radius) + 1 for z, radius in zip(z_mm, radius_mm)]
    box = np.array([(cut[0], cut[-1] + 1) for cut in cuts])
    count = settings.slices // 2
    positive = [_through(cut, z, radius, count, rng) for cut, z, radius in zip(cuts, z_mm, radius_mm)]
    return _Tumours(z_mm, radius_mm, box, np.array(positive))


def _through(cut: np.ndarray, z: float, radius: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of the slices that cut the tumour, within 0.6 radii of its centre where there are so many."""
    away = np.abs(SLICE_Z_MM[cut - 1] - z)
    near = cut[np.argsort(away)[: max(count, int((away < 0.6 * radius).sum()))]]
    return np.sort(rng.choice(near, count, replace=False))


def _other_slices(positive: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """(patients, k) positive slices -> (patients, k) negative ones: a permutation the label rule allows, or None."""
    from scipy.optimize import linear_sum_assignment  # here, because most commands find the phantom written

    n, k = positive.shape
    slot = np.repeat(np.arange(n), k)  # patient of each negative slice that is wanted
    pool = positive.ravel()
    below = pool[None, :] + MARGIN <= box[slot, :1]
    above = pool[None, :] - MARGIN > box[slot, 1:]
    # half of a patient's slots prefer a slice below the tumour, half above: both sides wherever there is room
    wants_below = (np.arange(n * k) % 2 == 0)[:, None]
    preferred = np.where(wants_below, below, above)
    for _ in range(DRAWS_TRIED):
        cost = np.where(preferred, 0.0, 1.0) + 0.5 * rng.random((n * k, n * k))
        cost = np.where(below | above, cost, FORBIDDEN)
        rows, columns = linear_sum_assignment(cost)
        chosen = pool[columns].reshape(n, k)
        is_allowed = cost[rows, columns].max() < FORBIDDEN
        if is_allowed and all(len(set(slices)) == k for slices in chosen.tolist()):
            return np.sort(chosen, axis=1)
    return None


def _write_patients(
    plans: list[PlannedPatient], settings: PhantomSettings, scratch: Path, workers: int | None
) -> Iterator[WrittenPatient]:
    """Every patient as soon as it is written."""
    count = min(workers or min(usable_cores(), 8), len(plans))
    if count == 1:
        yield from (_write_patient(plan, settings, scratch) for plan in plans)
        return
    tasks = [{"plan": plan, "settings": settings, "scratch": scratch} for plan in plans]
    with ChildPool(count) as pool:
        for answer in pool.run("tune_ks.data.phantom.write:write_patient_in_child", tasks, _give_up):
            if isinstance(answer, OSError):
                raise answer
            yield answer


def write_patient_in_child(
    report: Report, plan: PlannedPatient, settings: PhantomSettings, scratch: Path
) -> WrittenPatient | OSError:
    """What a child process does; an error of the storage is an answer, because the caller says it in one line."""
    try:
        return _write_patient(plan, settings, scratch)
    except OSError as error:
        return error


def _give_up(task: Task, last_report: Any) -> None:
    """A child that died over a patient dies over it again: the phantom cannot be written."""
    return None


def _write_patient(plan: PlannedPatient, settings: PhantomSettings, scratch: Path) -> WrittenPatient:
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
    all_settings = json.dumps(dataclasses.asdict(settings), sort_keys=True)  # other settings, other identifiers

    def uid(*purpose: str | int) -> str:
        return f"2.25.{seed_for(settings.seed, 'uid', all_settings, plan.patient_id, *purpose)}"

    exam = Exam(
        patient_id=plan.patient_id,
        scanner=scanner,
        sequence=sequence,
        matrix=settings.matrix,
        fov_mm=settings.fov_mm * scanner.fov_ratio,
        uid=uid,
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


def holds(root: Path, description: str) -> bool:
    """Whether ``root`` is the phantom of this ``description``; ValueError when it is something else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    file = root / "phantom.json"
    if file.is_file() and file.read_text() == description:
        return True
    content = "a phantom of other settings or of another version" if file.is_file() else "files that are no phantom"
    raise ValueError(f"{root} holds {content}; choose another folder for it, or remove that one")
