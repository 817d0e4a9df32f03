"""How a stored image becomes the canonical one: orientation by the patient's axes, equal pixel spacing."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pydicom

from tune_ks.data.dicom.file import UnusableFile, integer, is_filled, numbers
from tune_ks.data.limits import MAX_SIDE

ORIENTATIONS = ("canonical", "raw")
PLANES = {frozenset((0, 1)): "axial", frozenset((1, 2)): "sagittal", frozenset((0, 2)): "coronal"}
MAX_SKEW = 0.1  # by which the products of the two directions may differ from those of unit vectors at right angles


class Geometry(NamedTuple):
    """How the stored image becomes the canonical one, and the shape it then has."""

    orientation: str  # canonical | unknown | raw
    transpose: bool
    flip_rows: bool
    flip_columns: bool
    height: int
    width: int
    spacing_mm: float
    stored: tuple[int, int]  # Rows, Columns


class Direction(NamedTuple):
    """Where an index of the image grows to: the nearest patient axis, x (0), y (1) or z (2), and its sign."""

    axis: int
    sign: int


class Turn(NamedTuple):
    """What brings a stored image into the canonical orientation: the transposition first, then the flips."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False


def geometry(dataset: pydicom.Dataset, orientation: str) -> Geometry:
    """The plan for one file. ``orientation`` raw leaves it as stored. UnusableFile where it would grow absurdly."""
    stored = (integer(dataset, "Rows"), integer(dataset, "Columns"))
    turn = Turn()
    if orientation == "canonical":
        canonical = _canonical_turn(_cosines(dataset))
        orientation = "unknown" if canonical is None else "canonical"
        turn = canonical or turn
    return geometry_of(stored, _spacing_mm(dataset), turn, orientation)


def geometry_of(stored: tuple[int, int], spacing_mm: tuple[float, float], turn: Turn, orientation: str) -> Geometry:
    """The plan of an image of ``stored`` rows and columns, and of its ``spacing_mm`` between rows, between columns."""
    height, width = stored
    between_rows, between_columns = spacing_mm
    if turn.transpose:
        height, width = width, height
        between_rows, between_columns = between_columns, between_rows
    finer = min(between_rows, between_columns)
    if not math.isnan(finer):
        height = round(height * between_rows / finer)
        width = round(width * between_columns / finer)
        _refuse_absurd(height, width)
    return Geometry(
        orientation=orientation,
        transpose=turn.transpose,
        flip_rows=turn.flip_rows,
        flip_columns=turn.flip_columns,
        height=height,
        width=width,
        spacing_mm=finer,
        stored=stored,
    )


def plane_of(dataset: pydicom.Dataset) -> str:
    """axial, sagittal or coronal, oblique planes by their nearest; "" where the file does not say it."""
    directions = _patient_directions(_cosines(dataset))
    return "" if directions is None else PLANES[frozenset(direction.axis for direction in directions)]


def apply(image: np.ndarray, plan: Geometry) -> np.ndarray:
    """(Rows, Columns) as stored -> (height, width) of the plan."""
    if plan.transpose:
        image = image.T
    if plan.flip_rows:
        image = image[::-1]
    if plan.flip_columns:
        image = image[:, ::-1]
    if image.shape != (plan.height, plan.width):
        image = _resample(image, (plan.height, plan.width))
    return np.ascontiguousarray(image)


def _spacing_mm(dataset: pydicom.Dataset) -> tuple[float, float]:
    """Distance between rows, and between columns; NaN for both where the file does not give it.

    UnusableFile where it gives what is no spacing: the image could be stretched, and nobody would know.
    """
    if not is_filled(dataset, "PixelSpacing"):
        return math.nan, math.nan
    spacing = numbers(dataset, "PixelSpacing", 2)
    if not spacing or min(spacing) <= 0:
        raise UnusableFile("PixelSpacing cannot be read")
    return spacing[0], spacing[1]


def _refuse_absurd(height: int, width: int) -> None:
    if max(height, width) > MAX_SIDE:
        raise UnusableFile(
            f"absurd pixel spacing (would become {height:.4g} x {width:.4g}, the limit is {MAX_SIDE} a side)"
        )


def _cosines(dataset: pydicom.Dataset) -> tuple[float, ...] | None:
    """The six direction cosines of the image's rows and columns; None where the file lacks them."""
    cosines = numbers(dataset, "ImageOrientationPatient", 6)
    return None if cosines is None else tuple(cosines)


def _canonical_turn(cosines: tuple[float, ...] | None) -> Turn | None:
    """The turn after which both indices grow along positive patient axes, columns along the first of the two axes.

    None where the six direction cosines are missing or are no directions of an image.
    """
    directions = _patient_directions(cosines)
    return None if directions is None else turn_of(*directions)


def turn_of(of_columns: Direction, of_rows: Direction) -> Turn:
    """The turn of an image whose column index and row index grow to these directions."""
    transpose = of_columns.axis > of_rows.axis
    if transpose:
        of_columns, of_rows = of_rows, of_columns
    return Turn(transpose, flip_rows=of_rows.sign < 0, flip_columns=of_columns.sign < 0)


@lru_cache(maxsize=256)  # the files of a series have the same ones
def _patient_directions(cosines: tuple[float, ...] | None) -> tuple[Direction, Direction] | None:
    """Where the column index grows to, and the row index. None where the cosines are unusable."""
    if cosines is None:
        return None
    directions = np.array(cosines).reshape(2, 3)
    if np.abs(directions @ directions.T - np.eye(2)).max() > MAX_SKEW:
        return None
    axes = np.abs(directions).argmax(axis=1)
    if axes[0] == axes[1]:
        return None
    signs = np.sign(directions[[0, 1], axes])
    return Direction(int(axes[0]), int(signs[0])), Direction(int(axes[1]), int(signs[1]))


def _resample(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from scipy import ndimage  # rarely needed, slow to import

    zoom = [target / size for target, size in zip(shape, image.shape)]
    finer = ndimage.zoom(image, zoom, order=3, mode="nearest", grid_mode=True)
    return np.clip(finer, image.min(), image.max())  # a cubic overshoots at edges
