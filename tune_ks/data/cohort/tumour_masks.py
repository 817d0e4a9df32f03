"""Masks of the tumour in each image of a cohort, made when a task needs them, with the geometry of the images.

Drawn masks are used where the folder has them (``masks.npz``, as the phantom writes it); else masks that are NIfTI
volumes, where the images are; else Duke's Annotation_Boxes, the same rectangle in every slice of the box. An image of
label 0 has no tumour: its mask is empty. Drawn masks may also say where the organ is that holds the tumour
(``PATIENT_organ``): a pixel of a mask is the sum of LESION and ORGAN.
"""

import dataclasses
import hashlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tune_ks.core.arrays import array_names, read_arrays
from tune_ks.core.config import digest
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.kspace_scan import with_boxes
from tune_ks.data.cohort.map_scan import with_maps
from tune_ks.data.cohort.prepare import pad_to_square
from tune_ks.data.cohort.table import manufacturer_of
from tune_ks.data.dicom.file import UnusableFile
from tune_ks.data.dicom.geometry import Geometry, apply
from tune_ks.data.dicom.reader import VendorNames, read_geometry
from tune_ks.data.layouts.base import Layout
from tune_ks.data.layouts.detect import detect
from tune_ks.data.layouts.labels import without_site
from tune_ks.data.layouts.sheets import InputError, read_columns
from tune_ks.data.new_array import new_array
from tune_ks.data.nifti.slices import mask_slices, slice_geometry, volume_and_number
from tune_ks.data.volumes import LESION, ORGAN
from tune_ks.data.whole_folder import remove_abandoned

VERSION = 1  # of what is cached; a change that moves any pixel raises it
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


def with_tumour_masks(cohort: Cohort, root: Path, organs: bool = False) -> Cohort:
    """The cohort of the folder ``root`` with its ``masks``, which are written beside its images the first time.

    The fingerprint then covers the source of the masks: with other masks it is another cohort.
    InputError where the folder does not say where its tumours lie, or not for every image of label 1; with ``organs``
    also where it does not say where the organs are.
    """
    if cohort.holds_maps:
        return with_maps(cohort)
    if cohort.holds_kspace:
        mask_source(root, organs)
        return with_boxes(cohort)
    source = mask_source(root, organs, cohort.settings.series)
    with_masks = naming_masks(cohort, root)
    assert with_masks.masks is not None
    if not with_masks.masks.exists():
        _write(with_masks.masks, cohort, Path(root), source.opened(cohort))
    return with_masks


def naming_masks(cohort: Cohort, root: Path) -> Cohort:
    """The cohort as ``with_tumour_masks`` gives it, but its masks may not be written yet."""
    if cohort.holds_maps:
        return with_maps(cohort)
    if cohort.holds_kspace:
        return with_boxes(cohort)
    content = digest(f"{VERSION}".encode() + mask_source(root, series=cohort.settings.series).content())[:8]
    masks = cohort.images.with_name(f"masks-{content}.npy")
    if not cohort.is_decoded:
        return dataclasses.replace(cohort, masks=masks)
    fingerprint = digest(f"{cohort.fingerprint}/{content}".encode())
    fingerprint_1 = digest(f"{cohort.fingerprint_1}/{content}".encode())
    return dataclasses.replace(cohort, masks=masks, fingerprint=fingerprint, fingerprint_1=fingerprint_1)


class MaskSource(NamedTuple):
    """What says where the tumours of a folder lie."""

    files: list[Path]  # DRAWN, or Duke's boxes, or the masks of volumes
    mask_of: dict[str, str]  # volume -> its mask, relative to the root; {} where the files are no volumes
    root: Path

    def content(self) -> bytes:
        """What a fingerprint covers: the content of one file, or the hashes of many."""
        if not self.mask_of:
            return self.files[0].read_bytes()
        hashes = []
        for path in self.files:
            with path.open("rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256").digest())
        return b"".join(hashes)

    def opened(self, cohort: Cohort) -> StoredMasks:
        """The masks, to be read."""
        if self.mask_of:
            return VolumeMasks(self.root, self.mask_of, cohort.settings.orientation)
        return DrawnMasks(self.files[0]) if self.files[0].name == DRAWN else BoxMasks(self.files[0])


def mask_source(root: Path, organs: bool = False, series: str | None = None) -> MaskSource:
    """What says where the tumours of the folder lie: DRAWN, masks of volumes, or Duke's boxes. InputError for nothing.

    With ``organs`` it must also say where the organs lie that hold them. ``series``: that of the cohort.
    """
    root = Path(root)
    drawn = root / DRAWN
    if organs and not (drawn.is_file() and DrawnMasks(drawn).has_organs):
        raise InputError(
            f"{root} does not say where the organs lie, which a task of volumes needs: no {DRAWN} with PATIENT_organ,"
            " (n, rows, columns) of bool as PATIENT; use task = 'segmentation', or add it"
        )
    layout = detect(root, labels_required=False)
    boxes = next(iter(layout.sheets.values()), None) if layout.holds_kspace else layout.sheets.get("boxes")
    if drawn.is_file():
        return MaskSource([drawn], {}, root)
    if layout.holds_volumes:
        return _masks_of_volumes(layout, series)
    if boxes is None:
        raise InputError(
            f"{root} does not say where its tumours lie, which segmentation and detection need: neither {DRAWN}"
            " (PATIENT: (n, rows, columns) of bool as the images are stored, PATIENT_slices: (n,) their slice numbers)"
            " nor Duke's Annotation_Boxes; use task = 'classification', or add one of them"
        )
    return MaskSource([boxes], {}, root)


def _masks_of_volumes(layout: Layout, series: str | None) -> MaskSource:
    """The masks that a layout of NIfTI volumes lists. InputError where it lists none."""
    mask_of = {}
    for item in layout.listing(series, True, layout.files()).items:
        if item.mask:
            mask_of[item.path] = item.mask
    if not mask_of:
        raise InputError(
            f"{layout.root} does not say where its tumours lie, which segmentation and detection need: no volume has a"
            " mask (the column mask of labels.csv); use task = 'classification', or add them"
        )
    files = [layout.root / mask for mask in sorted(set(mask_of.values()))]
    return MaskSource(files, mask_of, layout.root)


def shrink_by_area(mask: np.ndarray, side: int) -> np.ndarray:
    """(N, N) shares -> (side, side) bool: true where more than half of a pixel is covered.

    The new pixels lie where a central crop of k-space puts them: pixel side // 2 stays at the place of pixel N // 2, so
    that pixel j covers N / side of the old pixels about N // 2 + (j - side // 2) N / side.
    """
    size = len(mask)
    ratio = size / side
    old = np.arange(size)
    centre = size // 2 + (np.arange(side)[:, None] - side // 2) * ratio
    covered = np.minimum(centre + ratio / 2, old + 0.5) - np.maximum(centre - ratio / 2, old - 0.5)
    share = covered.clip(min=0) / ratio
    return share @ mask @ share.T > 0.5


class DrawnMasks(StoredMasks):
    """Masks of ``masks.npz``, read patient by patient."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.resolve()  # in the user's own data, where it may be a link
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


def _write(path: Path, cohort: Cohort, root: Path, stored: StoredMasks) -> None:
    """The masks of a cohort's table, whole or not at all."""
    remove_abandoned(path.parent, lambda name: name == path.name)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        shape = (len(cohort.table), cohort.image_side, cohort.image_side)
        masks = new_array(temporary, np.uint8, shape)
        has_mask = (cohort.table["label"] == 1) | stored.has_organs
        for row in cohort.table[has_mask].to_dict("records"):
            row["patient_id"] = without_site(cohort.settings.site, row["patient_id"])
            masks[row["row"]] = _mask_of_image(row, cohort, root, stored)
        masks.flush()
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _mask_of_image(row: Row, cohort: Cohort, root: Path, stored: StoredMasks) -> np.ndarray:
    """(S, S) uint8, sums of LESION and ORGAN: the mask of one image, turned, padded and shrunk as the image was."""
    try:
        plan = _geometry(row, cohort, root)
    except UnusableFile as unusable:
        raise InputError(f"{row['path']} was read before and cannot be now: {unusable.reason}") from None
    pixels = np.zeros((cohort.image_side, cohort.image_side), np.uint8)
    for bit, mask in stored.of_row(row, plan.stored).items():
        if mask.shape != plan.stored:
            raise InputError(
                f"the mask of {row['path']} must be {plan.stored} as its image is stored, got {mask.shape}"
            )
        pixels |= np.uint8(bit) * shrink_by_area(pad_to_square(apply(mask.astype(np.float32), plan)), cohort.image_side)
    return pixels


def _geometry(row: Row, cohort: Cohort, root: Path) -> Geometry:
    """How the stored image became the one of the cohort. Raises UnusableFile."""
    if cohort.holds_volumes:
        return slice_geometry(root / volume_and_number(row["path"])[0], cohort.settings.orientation)
    names = VendorNames(cohort.settings.vendor_of, manufacturer_of(row))
    return read_geometry(root / row["path"], cohort.settings.orientation, names)
