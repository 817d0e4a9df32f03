"""A NIfTI volume -> its slices in the acquired plane, turned as DICOM images are turned, numbered along the patient.

The plane is the one whose pixels are square: the axis of the slices is the one whose voxel size differs from the two
others, which are equal; of three different sizes the largest; of three equal ones the axis towards the head. Neither
the order of the axes in the file nor their direction counts, so that all centres agree.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tune_ks.data.dicom.geometry import PLANES, Direction, Geometry, Turn, apply, geometry_of, turn_of
from tune_ks.data.dicom.header import Header, ImagePlan, with_recipe
from tune_ks.data.nifti.file import Volume, read_volume, same_grid, slices_of
from tune_ks.data.unusable import UnusableFile, guarded

ALIKE = 0.01  # by which two voxel sizes may differ and be the same: headers round them
HEAD = 2  # the patient axis from the feet to the head
NAME = "#"  # before the number of the slice, in the name of a slice


@dataclass(frozen=True)
class Slices:
    """How a volume divides into slices. Number 1 is the slice nearest to the right, the front or the feet."""

    axis: int  # of the file
    count: int
    is_reversed: bool  # whether the number falls where the index of the file rises
    geometry: Geometry  # of each slice
    plane: str  # axial | sagittal | coronal, oblique ones by their nearest; ""
    thickness_mm: float

    def index(self, number: int) -> int:
        """The index in the file, from 0, of the slice ``number``, from 1."""
        return self.count - number if self.is_reversed else number - 1

    def number(self, index: int) -> int:
        """The number, from 1, of the slice at an index of the file."""
        return self.count - index if self.is_reversed else index + 1


@dataclass(frozen=True)
class VolumeFacts:
    """What a scan knows of a volume before it reads its pixels."""

    header: Header  # of each of its slices
    count: int  # slices
    tumour: list[int] | None  # the numbers of the slices that the mask marks; None without a mask


class SliceImage(NamedTuple):
    """One slice, read."""

    number: int
    image: np.ndarray  # (height, width) float32 in the file's unit, none below zero
    digest: str  # 8 hexadecimal digits of its values as stored


def slice_name(path: str, number: int) -> str:
    """The name of one slice of a volume, which stands for the path of its image: P/P_0001.nii.gz#012."""
    return f"{path}{NAME}{number:03d}"


def volume_and_number(name: str) -> tuple[str, int]:
    """The inverse of ``slice_name``."""
    path, _, number = name.rpartition(NAME)
    return path, int(number)


def divide(volume: Volume, orientation: str) -> Slices:
    """The slices of a volume. Orientation "canonical" is that of the DICOM reader, "raw" leaves them as stored.

    Without an affine they stay as stored too, and their orientation is ``unknown``.
    """
    directions = _directions(volume.affine)
    axis = _slice_axis(volume.voxel_mm, directions)
    first, second = (other for other in range(3) if other != axis)
    turn = Turn()
    is_reversed = False
    plane = ""
    if directions is None:
        orientation = "unknown" if orientation == "canonical" else orientation
    else:
        plane = PLANES[frozenset((directions[first].axis, directions[second].axis))]
        if orientation == "canonical":
            turn = turn_of(directions[first], directions[second])
            is_reversed = directions[axis].sign < 0
    stored = (volume.shape[second], volume.shape[first])  # the first axis of the file runs along the columns
    spacing_mm = (volume.voxel_mm[second], volume.voxel_mm[first])
    geometry = geometry_of(stored, spacing_mm, turn, orientation)
    return Slices(axis, volume.shape[axis], is_reversed, geometry, plane, volume.voxel_mm[axis])


def read_facts(path: Path, mask: Path | None, orientation: str, vendor: str, known: dict[str, float]) -> VolumeFacts:
    """The header of the slices of one volume, and which of them its mask marks. Raises UnusableFile.

    ``vendor`` and ``known`` (field_t, tr_ms, te_ms; of a stack also spacing_mm and thickness_mm) are what a sheet says:
    the header does not say them.
    """
    volume = read_volume(path)
    slices = divide(volume, orientation)
    tumour = None if mask is None else marked_slices(volume, mask, slices)
    return VolumeFacts(_header(volume, slices, vendor, known), slices.count, tumour)


def marked_slices(volume: Volume, mask: Path, slices: Slices) -> list[int]:
    """The numbers of the slices in which the mask of a volume is not zero. Raises UnusableFile."""
    numbers = []
    for index, plane in slices_of(_mask_of(volume, mask), slices.axis, range(slices.count)):
        if plane.any():
            numbers.append(slices.number(index))
    return sorted(numbers)


def mask_slices(path: Path, mask: Path, orientation: str) -> dict[int, np.ndarray]:
    """Number -> (Rows, Columns) bool as the slices of the volume ``path`` are stored, of those that the mask marks."""
    return guarded(lambda: _mask_slices(path, mask, orientation))


def read_slice(path: Path, orientation: str, number: int) -> SliceImage:
    """One slice of a volume. Raises UnusableFile."""
    geometry = slice_geometry(path, orientation)
    return guarded(lambda: next(read_slices(path, orientation, [number], geometry)))


def slice_geometry(path: Path, orientation: str) -> Geometry:
    """How the slices of a volume become images. Raises UnusableFile."""
    return divide(read_volume(path), orientation).geometry


def read_slices(path: Path, orientation: str, numbers: Iterable[int], expected: Geometry) -> Iterator[SliceImage]:
    """The slices of one volume, in the order of the file. UnusableFile where it is not as ``expected`` any more.

    A volume with values below zero (a difference of two phases, a normalised one) is raised by the lowest value of
    these slices: what is sampled in k-space is a magnitude.
    """
    volume = read_volume(path)
    slices = divide(volume, orientation)
    if slices.geometry != expected:
        raise UnusableFile("it changed while it was read")
    indices = [slices.index(number) for number in numbers]
    lowest = _lowest(volume, slices.axis, indices)
    for index, plane in slices_of(volume, slices.axis, indices):
        digest = hashlib.sha256(repr(plane.shape).encode())
        digest.update(np.ascontiguousarray(plane, dtype="<f4").data)
        image = apply(plane.T - np.float32(lowest), slices.geometry)
        yield SliceImage(slices.number(index), image, digest.hexdigest()[:8])


def _mask_slices(path: Path, mask: Path, orientation: str) -> dict[int, np.ndarray]:
    volume = read_volume(path)
    slices = divide(volume, orientation)
    marked = {}
    for index, plane in slices_of(_mask_of(volume, mask), slices.axis, range(slices.count)):
        if plane.any():
            marked[slices.number(index)] = plane.T != 0
    return marked


def _lowest(volume: Volume, axis: int, indices: list[int]) -> float:
    """The lowest value of some planes where it is below zero, else 0."""
    if volume.dtype.kind == "u" and volume.slope >= 0 and volume.intercept >= 0:
        return 0.0
    return min(0.0, *(float(plane.min()) for _, plane in slices_of(volume, axis, indices)))


def _mask_of(volume: Volume, mask: Path) -> Volume:
    try:
        stored = read_volume(mask)
    except UnusableFile as unusable:
        raise UnusableFile(f"its mask: {unusable.reason}") from None
    if not same_grid(volume, stored):
        shapes = [" x ".join(map(str, either.shape)) for either in (volume, stored)]
        where = "in another place" if stored.shape == volume.shape else f"of {shapes[1]} voxels, the volume {shapes[0]}"
        raise UnusableFile(f"its mask does not fit it ({where})")
    return stored


def _directions(affine: np.ndarray | None) -> list[Direction] | None:
    """Where each index of the file grows to: x to the left, y to the back, z to the head, as in DICOM."""
    if affine is None:
        return None
    from nibabel.orientations import io_orientation  # here, because a training reads no NIfTI

    directions = []
    for axis, sign in io_orientation(affine).tolist():
        if math.isnan(axis):
            return None
        away = 1 if axis == HEAD else -1  # NIfTI's x grows to the right, and its y to the front
        directions.append(Direction(int(axis), int(sign) * away))
    return directions


def _slice_axis(voxel_mm: tuple[float, float, float], directions: list[Direction] | None) -> int:
    """The axis of the file across the acquired plane."""
    sizes = np.array(voxel_mm)
    alike = np.abs(sizes[:, None] - sizes[None]) <= ALIKE * np.maximum(sizes[:, None], sizes[None])
    partners = alike.sum(axis=1) - 1
    if sorted(partners) == [0, 1, 1]:
        return int(partners.argmin())
    if partners.max() == 0:
        return int(sizes.argmax())
    if directions is None:
        return 2
    return next(axis for axis, direction in enumerate(directions) if direction.axis == HEAD)


def _header(volume: Volume, slices: Slices, vendor: str, known: dict[str, float]) -> Header:
    geometry = slices.geometry
    header = Header(
        vendor=vendor,
        maker="",
        model="",
        field_t=known.get("field_t", math.nan),
        tr_ms=known.get("tr_ms", math.nan),
        te_ms=known.get("te_ms", math.nan),
        flip_deg=math.nan,
        acquired_width=math.nan,
        width=geometry.width,
        height=geometry.height,
        spacing_mm=known.get("spacing_mm", math.nan) if volume.is_stack else geometry.spacing_mm,
        thickness_mm=known.get("thickness_mm", math.nan) if volume.is_stack else slices.thickness_mm,
        orientation=geometry.orientation,
        scan_slices=float(slices.count),
        phase="",
        compressed=False,
        plane=slices.plane,
        is_localizer=False,
        series_hash="",
        recipe="",
        plan=ImagePlan(None, geometry),
    )
    return with_recipe(header, volume.slope, volume.intercept, volume.dtype.str, dataclasses.astuple(slices))
