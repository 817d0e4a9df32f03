"""How a DICOM file says that its image lies: the patient axes along which it grows, and the spacing of its pixels."""

import math
from functools import lru_cache

import numpy as np
import pydicom

from tune_ks.data.dicom.file import integer, is_filled, numbers
from tune_ks.data.dicom.geometry import PLANES, Direction, Geometry, Turn, geometry_of, turn_of
from tune_ks.data.unusable import UnusableFile

MAX_SKEW = 0.1  # by which the products of the two directions may differ from those of unit vectors at right angles


def geometry(dataset: pydicom.Dataset, orientation: str) -> Geometry:
    """The plan for one file. ``orientation`` raw leaves it as stored. UnusableFile where it would grow absurdly."""
    stored = (integer(dataset, "Rows"), integer(dataset, "Columns"))
    turn = Turn()
    if orientation == "canonical":
        canonical = _canonical_turn(_cosines(dataset))
        orientation = "unknown" if canonical is None else "canonical"
        turn = canonical or turn
    return geometry_of(stored, _spacing_mm(dataset), turn, orientation)


def plane_of(dataset: pydicom.Dataset) -> str:
    """axial, sagittal or coronal, oblique planes by their nearest; "" where the file does not say it."""
    directions = _patient_directions(_cosines(dataset))
    return "" if directions is None else PLANES[frozenset(direction.axis for direction in directions)]


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
