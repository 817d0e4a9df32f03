"""How a stored image becomes the canonical one: orientation by the patient's axes, equal pixel spacing."""

import math
from typing import NamedTuple

import numpy as np
import pydicom

from tune_ks.data.dicom.file import UnusableFile, integer, numbers
from tune_ks.data.limits import MAX_SIDE

ORIENTATIONS = ("canonical", "raw")


class Geometry(NamedTuple):
    """How the stored image becomes the canonical one, and the shape it then has."""

    orientation: str
    transpose: bool
    flip_rows: bool
    flip_columns: bool
    height: int
    width: int
    spacing_mm: float
    stored: tuple[int, int]  # Rows, Columns


def geometry(dataset: pydicom.Dataset, orientation: str) -> Geometry:
    """The plan for one file. ``orientation`` raw leaves it as stored. UnusableFile where it would grow absurdly."""
    stored = height, width = integer(dataset, "Rows"), integer(dataset, "Columns")
    spacing = numbers(dataset, "PixelSpacing", 2)  # between rows, between columns
    between_rows, between_columns = spacing if spacing and min(spacing) > 0 else (math.nan, math.nan)
    transpose = flip_rows = flip_columns = False
    axes = None
    if orientation == "canonical":
        axes = _patient_axes(numbers(dataset, "ImageOrientationPatient", 6))
        orientation = "canonical" if axes else "unknown"
    if axes:
        (along_columns, columns_sign), (along_rows, rows_sign) = axes
        transpose = along_columns > along_rows
        if transpose:
            columns_sign, rows_sign = rows_sign, columns_sign
            height, width = width, height
            between_rows, between_columns = between_columns, between_rows
        flip_rows, flip_columns = rows_sign < 0, columns_sign < 0
    finer = min(between_rows, between_columns)
    if not math.isnan(finer):
        height, width = round(height * between_rows / finer), round(width * between_columns / finer)
        if max(height, width) > MAX_SIDE:
            raise UnusableFile(
                f"absurd pixel spacing (would become {height:.4g} x {width:.4g}, the limit is {MAX_SIDE} a side)"
            )
    return Geometry(orientation, transpose, flip_rows, flip_columns, height, width, finer, stored)


def _patient_axes(cosines: list[float] | None) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """(axis, sign) along which the column index grows, then the row index: nearest of x, y, z. None when unusable."""
    if cosines is None:
        return None
    directions = np.array(cosines).reshape(2, 3)
    if np.abs(directions @ directions.T - np.eye(2)).max() > 0.1:  # two unit vectors, at right angles
        return None
    axis = np.abs(directions).argmax(axis=1)
    if axis[0] == axis[1]:
        return None
    sign = np.sign(directions[[0, 1], axis])
    return (int(axis[0]), int(sign[0])), (int(axis[1]), int(sign[1]))


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


def _resample(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from scipy import ndimage  # rarely needed, slow to import

    zoom = [target / size for target, size in zip(shape, image.shape)]
    finer = ndimage.zoom(image, zoom, order=3, mode="nearest", grid_mode=True)
    return np.clip(finer, image.min(), image.max())  # a cubic overshoots at edges
