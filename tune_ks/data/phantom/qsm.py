"""Field maps of synthetic objects with their true susceptibility, in three domains that differ in geometry.

    SYNTHETIC       random ellipses                         voxels of any size, B0 in any direction, 1.5, 3 or 7 T
    CORONAL_ISO     a head with nuclei, veins and calcium   1 x 1 x 1 mm, coronal: B0 along the columns, 3 T
    TILTED_ANISO    heads of the same kind                  0.8 x 1.2 x 2 mm, oblique: B0 in none of the axes, 7 T

The objects do not vary across slices, so that the 2-D dipole model is exact for them. Every slice is a patient of its
own. The field is that of the pixels' mean susceptibility, plus white noise of NOISE_HZ.
"""

import csv
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tune_ks.core.arrays import write_npz
from tune_ks.core.seeding import generator
from tune_ks.data.dipole import b0_in_image_axes, dipole_field, hz_of_ppm
from tune_ks.data.layouts.maps import COLUMNS, MAPS
from tune_ks.data.phantom.description import DESCRIPTION, holds
from tune_ks.data.progress import Progress, silent
from tune_ks.data.whole_folder import whole_folder

VERSION = 1  # of the generator: raised whenever the same settings give other files
NOISE_HZ = 0.3  # standard deviation
FINE = 3  # times the side: the grid on which the shapes are drawn, then averaged into pixels
FIELDS_T = (1.5, 3.0, 7.0)


@dataclass(frozen=True)
class QsmSettings:
    """What the cohort depends on."""

    seed: int = 0
    synthetic: int = 1200  # slices of SYNTHETIC
    others: int = 90  # of each of the other domains
    side: int = 48  # pixels

    def __post_init__(self) -> None:
        if min(self.synthetic, self.others) < 3:
            raise ValueError(f"a domain needs 3 slices or more, got {self.synthetic} and {self.others}")
        if self.side < 16:
            raise ValueError(f"side must be 16 pixels or more, got {self.side}")


@dataclass(frozen=True)
class Ellipse:
    """Position and half axes in units of half the field of view."""

    x: float
    y: float
    along: float
    across: float
    turn: float
    chi_ppm: float


@dataclass(frozen=True)
class Geometry:
    """``orientation`` as in DICOM: the directions of a row and of a column in the patient's axes."""

    voxel_mm: tuple[float, float, float]
    orientation: tuple[float, ...]
    field_t: float


class PlannedSlice(NamedTuple):
    """A slice that is a patient of its own."""

    domain: str
    patient: str
    geometry: Geometry


def write_qsm_phantom(root: Path, settings: QsmSettings, progress: Progress = silent) -> Path:
    """Write the cohort under ``root``, whole or not at all, or return at once when it is there. Returns ``root``.

    ValueError where ``root`` holds anything else.
    """
    root = Path(root)
    description = json.dumps({"version": VERSION, **dataclasses.asdict(settings)}, indent=1)
    if holds(root, description):
        return root
    planned = planned_slices(settings)
    with whole_folder(root, lambda: holds(root, description)) as scratch:
        rows: list[dict[str, str | float]] = []
        for number, slice_ in enumerate(planned, start=1):
            rows.append(_write_slice(scratch, slice_, settings))
            progress("phantom", number, len(planned))
        with (scratch / MAPS).open("w", newline="") as file:
            sheet = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            sheet.writeheader()
            sheet.writerows(rows)
        (scratch / DESCRIPTION).write_text(description)
    return root


def planned_slices(settings: QsmSettings) -> list[PlannedSlice]:
    """Every slice of the cohort, domain by domain."""
    counts = {"SYNTHETIC": settings.synthetic, "CORONAL_ISO": settings.others, "TILTED_ANISO": settings.others}
    slices = []
    for domain, count in counts.items():
        for index in range(count):
            name = f"{domain}_{index:04d}"
            slices.append(PlannedSlice(domain, name, geometry_of(domain, _stream(settings, "geometry", name))))
    return slices


def _stream(settings: QsmSettings, purpose: str, patient: str) -> np.random.Generator:
    return generator(settings.seed, "qsm", purpose, patient)


def _write_slice(folder: Path, planned: PlannedSlice, settings: QsmSettings) -> dict[str, str | float]:
    """One .npz file, and its row of maps.csv."""
    domain, patient, geometry = planned
    rng = _stream(settings, "shapes", patient)
    shapes = random_shapes(rng) if domain == "SYNTHETIC" else head(rng)
    chi = susceptibility(shapes, settings.side)
    field = hz_of_ppm(field_of(chi, geometry), geometry.field_t)
    noisy = field + _stream(settings, "noise", patient).normal(0, NOISE_HZ, field.shape)
    (folder / domain).mkdir(exist_ok=True)
    write_npz(folder / domain / f"{patient}.npz", field_hz=noisy.astype(np.float32), chi_ppm=chi.astype(np.float32))
    return {
        "path": f"{domain}/{patient}.npz",
        "patient_id": patient,
        "domain": domain,
        "field_t": geometry.field_t,
        "voxel_x_mm": geometry.voxel_mm[0],
        "voxel_y_mm": geometry.voxel_mm[1],
        "voxel_z_mm": geometry.voxel_mm[2],
        "orientation": " ".join(f"{number:.9f}" for number in geometry.orientation),
    }


def field_of(chi: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(rows, columns) susceptibility -> field, both in ppm, of an object that does not vary across slices."""
    x, y, _ = b0_in_image_axes(geometry.orientation)
    return dipole_field(chi, (geometry.voxel_mm[1], geometry.voxel_mm[0]), (y, x))


def geometry_of(domain: str, rng: np.random.Generator) -> Geometry:
    """The geometry of one slice of a domain."""
    if domain == "SYNTHETIC":
        x, y, z = rng.uniform(0.5, 2.0, 3).round(2).tolist()
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        return Geometry((x, y, z), (*axes[:, 0], *axes[:, 1]), float(rng.choice(FIELDS_T)))
    if domain == "CORONAL_ISO":
        return Geometry((1.0, 1.0, 1.0), (1, 0, 0, 0, 0, -1), 3.0)
    pitch, roll = np.deg2rad(rng.uniform([20, 15], [35, 30]))
    row = np.array([np.cos(roll), 0, np.sin(roll)])  # a coronal slice turned about its normal ...
    upright = np.array([np.sin(roll), 0, -np.cos(roll)])
    column = np.cos(pitch) * upright + np.sin(pitch) * np.array([0, 1, 0])  # ... and then about its rows
    return Geometry((0.8, 1.2, 2.0), (*row, *column), 7.0)


def random_shapes(rng: np.random.Generator) -> list[Ellipse]:
    """Ellipses of any place, size and susceptibility; later ones lie over earlier ones."""
    shapes = []
    for _ in range(int(rng.integers(6, 16))):
        x, y = rng.uniform(-0.6, 0.6, 2)
        along, across = rng.uniform(0.05, 0.35, 2)
        shapes.append(Ellipse(x, y, along, across, rng.uniform(0, np.pi), rng.normal(0, 0.08)))
    return shapes


def head(rng: np.random.Generator) -> list[Ellipse]:
    """A brain, its ventricles, three pairs of nuclei rich in iron, a few veins, and at times calcium."""
    turn = rng.uniform(-0.15, 0.15)
    shapes = [Ellipse(0, 0, rng.uniform(0.6, 0.75), rng.uniform(0.7, 0.8), turn, rng.uniform(-0.02, 0.0))]
    shapes += _pair(0.1, -0.15, 0.07, 0.2, 0.25, 0.02)
    for distance, height, size, level in ((0.3, 0.1, 0.13, 0.07), (0.22, 0.05, 0.07, 0.15), (0.15, 0.35, 0.06, 0.12)):
        chi = level * rng.uniform(0.7, 1.3)
        x, y, along, across = np.array([distance, height, size, size * 1.5]) * rng.uniform(0.85, 1.15, 4)
        shapes += _pair(x, y, along, across, 0.3, chi)
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(-0.45, 0.45, 2)
        shapes.append(Ellipse(x, y, 0.04, rng.uniform(0.04, 0.12), rng.uniform(0, np.pi), rng.uniform(0.15, 0.25)))
    if rng.random() < 0.5:
        x, y = rng.uniform(-0.4, 0.4, 2)
        shapes.append(Ellipse(x, y, 0.05, 0.05, 0, rng.uniform(-0.2, -0.1)))
    return shapes


def _pair(x: float, y: float, along: float, across: float, turn: float, chi_ppm: float) -> list[Ellipse]:
    """An ellipse and its mirror image."""
    return [Ellipse(x, y, along, across, turn, chi_ppm), Ellipse(-x, y, along, across, -turn, chi_ppm)]


def susceptibility(shapes: list[Ellipse], side: int) -> np.ndarray:
    """(side, side) mean susceptibility of each pixel in ppm; 0 outside every shape."""
    fine = side * FINE
    at = (np.arange(fine) + 0.5) / fine * 2 - 1
    chi = np.zeros((fine, fine))
    for shape in shapes:
        dx = at[None, :] - shape.x
        dy = at[:, None] - shape.y
        u = dx * np.cos(shape.turn) + dy * np.sin(shape.turn)
        v = dy * np.cos(shape.turn) - dx * np.sin(shape.turn)
        chi[(u / shape.along) ** 2 + (v / shape.across) ** 2 <= 1] = shape.chi_ppm
    return chi.reshape(side, FINE, side, FINE).mean((1, 3))
