"""How a stored image becomes the canonical one: orientation by the patient's axes, equal pixel spacing."""

import math
from typing import NamedTuple

import numpy as np

from tune_ks.data.limits import MAX_SIDE
from tune_ks.data.unusable import UnusableFile

ORIENTATIONS = ("canonical", "raw")
PLANES = {frozenset((0, 1)): "axial", frozenset((1, 2)): "sagittal", frozenset((0, 2)): "coronal"}


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


def _refuse_absurd(height: int, width: int) -> None:
    if max(height, width) > MAX_SIDE:
        raise UnusableFile(
            f"absurd pixel spacing (would become {height:.4g} x {width:.4g}, the limit is {MAX_SIDE} a side)"
        )


def turn_of(of_columns: Direction, of_rows: Direction) -> Turn:
    """The turn of an image whose column index and row index grow to these directions."""
    transpose = of_columns.axis > of_rows.axis
    if transpose:
        of_columns, of_rows = of_rows, of_columns
    return Turn(transpose, flip_rows=of_rows.sign < 0, flip_columns=of_columns.sign < 0)


def _resample(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from scipy import ndimage  # rarely needed, slow to import

    zoom = [target / size for target, size in zip(shape, image.shape)]
    finer = ndimage.zoom(image, zoom, order=3, mode="nearest", grid_mode=True)
    return np.clip(finer, image.min(), image.max())  # a cubic overshoots at edges
