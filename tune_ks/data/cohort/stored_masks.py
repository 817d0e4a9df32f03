"""Masks as the images of a folder are stored: drawn (masks.npz), boxes of a sheet, or NIfTI volumes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tune_ks.core.arrays import array_names, read_arrays
from tune_ks.core.regular_files import without_links
from tune_ks.data.layouts.sheet_tables import read_columns
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.nifti.slices import mask_slices, volume_and_number
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.volumes import LESION, ORGAN

DRAWN = "masks.npz"
ORGANS = "_organ"  # after the patient's id: the name of the arrays that say where the organ is
EDGES = ("Start Row", "End Row", "Start Column", "End Column")
Row = Mapping[str, Any]  # of the cohort's table


class StoredMasks(ABC):
    """Masks as the images are stored, before they are turned, padded and shrunk."""

    has_organs = False  # whether it also says where the organs are, in images of label 0 too

    @abstractmethod
    def of_row(self, row: Row, shape: tuple[int, int]) -> dict[int, np.ndarray]:
        """LESION, and ORGAN where it is known -> (Rows, Columns) bool in one image, whose stored ``shape`` is given."""


class DrawnMasks(StoredMasks):
    """Masks of ``masks.npz``, read patient by patient."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = without_links(path)  # in the user's own data, where it may be a link
        self.has_organs = self._has_organs()
        self.patient = ""  # the last one read: the rows of a patient stand together in the table
        self.masks_by_slice: dict[int, dict[int, np.ndarray]] = {}

    def of_row(self, row: Row, shape: tuple[int, int]) -> dict[int, np.ndarray]:
        patient = row["patient_id"]
        number = row["slice"]
        if patient != self.patient:
            self.masks_by_slice = self._read(patient)
            self.patient = patient
        if number not in self.masks_by_slice:
            known = ", ".join(f"{number:g}" for number in sorted(self.masks_by_slice))
            raise InputError(f"{self.path.name} has no mask of slice {number:g} of {patient}, only of {known}")
        return self.masks_by_slice[number]

    def _has_organs(self) -> bool:
        try:
            names = array_names(self.file)
        except ValueError:  # a damaged file: reading the first patient says what is wrong
            return False
        return any(name.endswith(ORGANS) for name in names)

    def _read(self, patient: str) -> dict[int, dict[int, np.ndarray]]:
        """Slice number -> its masks."""
        names = {LESION: patient, **({ORGAN: f"{patient}{ORGANS}"} if self.has_organs else {})}
        try:
            arrays = read_arrays(self.file, (*names.values(), f"{patient}_slices"))
        except ValueError as error:
            needed = "all three" if self.has_organs else "both"
            raise InputError(f"{error}; every patient with a tumour needs {needed}") from None
        numbers = arrays[f"{patient}_slices"]
        for name in names.values():
            masks = arrays[name]
            if masks.ndim != 3 or masks.dtype != bool or numbers.shape != masks.shape[:1]:
                raise InputError(
                    f"{self.path.name}: {name} must be bool (n, rows, columns) with {patient}_slices (n,), got"
                    f" {masks.dtype} {masks.shape} and {numbers.shape}"
                )
        by_slice = {}
        for place, number in enumerate(numbers.tolist()):
            by_slice[number] = {bit: arrays[name][place] for bit, name in names.items()}
        return by_slice


class BoxMasks(StoredMasks):
    """Rectangles of Duke's sheet: rows and columns as stored, counted from 1, both ends inside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        table = read_columns(path, "Patient ID", *EDGES)
        self.boxes = dict(zip(table["Patient ID"], table[list(EDGES)].to_numpy().tolist()))

    def of_row(self, row: Row, shape: tuple[int, int]) -> dict[int, np.ndarray]:
        patient = row["patient_id"]
        height, width = shape
        try:
            top, bottom, left, right = (int(float(text)) for text in self.boxes[patient])
            is_inside = 1 <= top <= bottom <= height and 1 <= left <= right <= width
        except (KeyError, ValueError, OverflowError):
            is_inside = False
        if not is_inside:
            raise InputError(
                f"{self.path.name}: the box of {patient} must lie in an image of {height} x {width} pixels, got"
                f" {', '.join(EDGES)} = {self.boxes.get(patient)}"
            )
        mask = np.zeros(shape, bool)
        mask[top - 1 : bottom, left - 1 : right] = True
        return {LESION: mask}


class VolumeMasks(StoredMasks):
    """Masks that are NIfTI volumes, on the grids of the volumes that they mark."""

    def __init__(self, root: Path, mask_of: dict[str, str], orientation: str) -> None:
        self.root = root
        self.mask_of = mask_of
        self.orientation = orientation
        self.volume = ""  # the last one read: the slices of a volume stand together in the table
        self.marked: dict[int, np.ndarray] = {}

    def of_row(self, row: Row, shape: tuple[int, int]) -> dict[int, np.ndarray]:
        volume, number = volume_and_number(row["path"])
        if volume not in self.mask_of:
            raise InputError(f"{volume} has label 1 and no mask; use task = 'classification', or add it")
        mask = self.mask_of[volume]
        if volume != self.volume:
            try:
                self.marked = mask_slices(self.root / volume, self.root / mask, self.orientation)
            except UnusableFile as unusable:
                raise InputError(f"{volume}: {unusable.reason}") from None
            self.volume = volume
        if number not in self.marked:
            raise InputError(f"{mask} marks nothing in slice {number}, which has label 1")
        return {LESION: self.marked[number]}
