"""The embedded default: a synthetic two-vendor breast MRI cohort, as DICOM files in Duke-Breast-Cancer-MRI's layout.

It shows that the tool works, never that k-sampling does. ``anatomy`` draws the breasts, ``scanner`` scans them.
"""

import dataclasses
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from tune_ks.core.seeding import generator, seed_for
from tune_ks.data.phantom.anatomy import Lesion, Patient
from tune_ks.data.phantom.files import (
    SERIES,
    SLICE_MM,
    SLICE_Z_MM,
    Exam,
    Written,
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

VERSION = 2  # of the generator: raised whenever the same settings give other files
MARGIN = 5  # slices between a negative slice and the tumour's box: the public label rule


@dataclass(frozen=True)
class PhantomSettings:
    """What a phantom depends on. A switch that is off gives GE the value of Siemens, whose images never change."""

    seed: int = 0
    patients: int = 92  # per vendor: 1,472 files with the four slices of both series
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
        written.sort(key=lambda one: one.patient_id)
        write_sheets(scratch, written)
        write_masks(scratch, written)
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
    """Tumours and slices of one vendor. Its negative slices are its positive ones, each given to another patient:
    whatever is read off the position alone, both classes share its distribution."""
    rng = generator(settings.seed, "phantom", "plan", vendor)
    n, half = settings.patients, settings.slices // 2
    for _ in range(100):  # a few patients may leave no room for one another
        strata = (np.arange(n) + rng.random(n)) / n
        middle = np.floor(10 + 42 * rng.permutation(strata)).astype(int)
        radius = np.clip(rng.lognormal(np.log(10), 0.35, n), 5, 20)  # mm; diameter: median 20, 10 to 40
        z = SLICE_Z_MM[middle - 1] + rng.uniform(-0.5, 0.5, n) * SLICE_MM
        cuts = [np.flatnonzero(np.abs(SLICE_Z_MM - at) < r) + 1 for at, r in zip(z, radius)]
        box = np.array([(cut[0], cut[-1] + 1) for cut in cuts])
        positive = np.array([_through(cut, at, r, half, rng) for cut, at, r in zip(cuts, z, radius)])
        negative = _other_slices(positive, box, rng)
        if negative is not None:
            break
    else:
        raise ValueError(
            f"no slices of {n} patients obey the label rule with {settings.slices} slices; use more patients"
        )
    first = list(PROTOCOLS).index(vendor) + 1  # the vendors take turns
    return [
        PlannedPatient(
            f"PHANTOM_{first + i * len(PROTOCOLS):03d}", vendor, i, float(z[i]), float(radius[i]),
            int(box[i, 0]), int(box[i, 1]), tuple(positive[i].tolist()), tuple(negative[i].tolist()),
        )
        for i in range(n)
    ]  # fmt: skip


def _through(cut: np.ndarray, z: float, radius: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of the slices that cut the tumour, within 0.6 radii of its centre where there are so many."""
    away = np.abs(SLICE_Z_MM[cut - 1] - z)
    near = cut[np.argsort(away)[: max(count, int((away < 0.6 * radius).sum()))]]
    return np.sort(rng.choice(near, count, replace=False))


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


def _each_patient(
    plans: list[PlannedPatient], settings: PhantomSettings, scratch: Path, workers: int | None
) -> Iterator[Written]:
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
    exam, gain = _examine(plan, settings, scanner, stream("exam"))
    fine = settings.matrix * 3 // 2  # the object is finer than any image of it
    x, y = grid_mm(fine, exam.fov_mm)
    shading = coil_sensitivity(x, y, stream("coil")) ** scanner.shading
    files, masks, slices = [], [], sorted(plan.positive + plan.negative)
    for number in slices:
        tissue = patient.render(x, y, SLICE_Z_MM[number - 1])
        masks.append(_mask(patient.tumour, SLICE_Z_MM[number - 1], exam))
        for series in SERIES:
            phase = smooth_phase(fine, stream("phase", series, number))
            transverse = signal(tissue, exam.sequence, scanner, contrast=series != "pre") * shading * np.exp(1j * phase)
            noise = stream("noise", series, number)
            magnitude = acquire(transverse, settings.matrix, scanner, exam.sequence.field_t, noise)
            files.append(write_slice(scratch, exam, series, number, store(magnitude, scanner, gain)))
    # the slices of the box that were not written count as well
    whole = np.any(
        [_mask(patient.tumour, z, exam) for z in SLICE_Z_MM[plan.start_slice - 1 : plan.end_slice - 1]], axis=0
    )
    rows, columns = (np.flatnonzero(whole.any(axis)) + 1 for axis in (1, 0))
    box = (int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1]), plan.start_slice, plan.end_slice)
    return Written(plan.patient_id, clinical_row(exam), box, files, np.array(slices), np.stack(masks))


def _examine(
    plan: PlannedPatient, settings: PhantomSettings, scanner: Protocol, rng: np.random.Generator
) -> tuple[Exam, float]:
    """The examination, and its receiver gain relative to the vendor's."""
    field_t = 3.0 if rng.random() < scanner.share_3t else 1.5
    stretch, gain = rng.uniform(0.93, 1.07), rng.lognormal(0, 0.2)
    tr_ms, te_ms = round(scanner.tr_ms * stretch, 2), round(scanner.te_ms * stretch, 2)
    told = json.dumps(dataclasses.asdict(settings), sort_keys=True)  # other settings, other files, other identifiers
    return Exam(
        patient_id=plan.patient_id,
        scanner=scanner,
        sequence=Sequence(tr_ms, te_ms, scanner.flip_deg, field_t),
        matrix=settings.matrix,
        fov_mm=settings.fov_mm * scanner.fov_ratio,
        uid=lambda *what: f"2.25.{seed_for(settings.seed, 'uid', told, plan.patient_id, *what)}",
    ), gain


def grid_mm(matrix: int, fov_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns' x and rows' y in mm. Pixel n // 2 lies at the same place at every matrix, as DC does in k-space."""
    offset = (np.arange(matrix) - matrix // 2) * np.float32(fov_mm / matrix)
    return offset.astype(np.float32), (42.0 - offset).astype(np.float32)


def _mask(tumour: Lesion, z_mm: float, exam: Exam) -> np.ndarray:
    """(N, N) bool in the stored orientation."""
    x, y = grid_mm(exam.matrix, exam.fov_mm)
    mask = tumour.share(x, y, z_mm)[0] > 0.5
    return mask[::-1, ::-1] if exam.scanner.rotated else mask


def _holds(root: Path, told: str) -> bool:
    """Whether ``root`` is this very phantom; ValueError when it is something else."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    note = root / "phantom.json"
    if note.is_file() and note.read_text() == told:
        return True
    what = "a phantom of other settings or of another version" if note.is_file() else "files that are no phantom"
    raise ValueError(f"{root} holds {what}; choose another folder for it, or remove that one")
