"""The one DICOM reader: a file -> the header values that matter and a canonical image, or why it cannot serve.

Nothing that identifies a person leaves this module: no name, date, identifier, institution or UID, and no free text
except the names of the maker and the model. Of the series' UID a hash leaves it, which tells series apart in memory and
is never written.
"""

import hashlib
import math
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom

from tune_ks.data.dicom.file import (
    DEFER_BYTES,
    integer,
    numbers,
    open_dataset,
    positive,
    text,
    values_as_stored,
)
from tune_ks.data.dicom.geometry import ORIENTATIONS, Geometry, apply
from tune_ks.data.dicom.header import Header, ImagePlan, with_recipe
from tune_ks.data.dicom.orientation import geometry, plane_of
from tune_ks.data.dicom.pixels import (
    check_pixels,
    in_unit_of_file,
    pixels_at,
    stored_alike,
    stored_of,
    stored_pixels,
)
from tune_ks.data.unusable import UnusableFile, guarded
from tune_ks.data.vendors import NO_NAMES, VendorNames

PHASE_AXES = {"ROW": "ROW", "ROWS": "ROW", "COL": "COL", "COLUMN": "COL"}  # as files write it -> as DICOM defines it
OTHER_AXIS = {"ROW": "COL", "COL": "ROW", "": ""}
GAUSS_PER_TESLA = 1e4
MAX_TESLA = 100  # a larger field strength is in gauss, as some older files have it


class ImageFile(NamedTuple):
    """One file, read whole."""

    header: Header
    image: np.ndarray  # (height, width) float32 in the file's own intensity unit
    digest: str  # 8 hexadecimal digits of the decoded stored pixels


def read_header(path: str | PathLike, orientation: str = "canonical", names: VendorNames = NO_NAMES) -> Header:
    """The header of one file; its pixels are checked for presence and length, not decoded. Raises UnusableFile."""
    return HeaderReader(orientation).read(path, names)


class HeaderReader:
    """Reads the headers of many files.

    Where a file says the same as the one before, as in most series, its header is that one's, except for where its own
    pixels lie: half of the time is spent on the values.
    """

    def __init__(self, orientation: str = "canonical") -> None:
        _check_orientation(orientation)
        self.orientation = orientation
        self.said: list[Any] | None = None  # what the file before says, as it is stored
        self.names = NO_NAMES
        self.header: Header | None = None  # of that file

    def read(self, path: str | PathLike, names: VendorNames = NO_NAMES) -> Header:
        """As ``read_header``. Raises UnusableFile."""
        return guarded(lambda: self._read(Path(path), names))

    def _read(self, path: Path, names: VendorNames) -> Header:
        dataset = open_dataset(path, DEFER_BYTES)
        said = values_as_stored(dataset)
        if self.header is not None and said is not None and said == self.said and names == self.names:
            stored = stored_alike(self.header.plan.of_file, dataset, path)
            return replace(self.header, plan=ImagePlan(stored, self.header.plan.geometry))
        header = _header(dataset, path, self.orientation, names)
        self.said = said
        self.names = names
        self.header = header
        return header


def read_geometry(path: str | PathLike, orientation: str = "canonical", names: VendorNames = NO_NAMES) -> Geometry:
    """How the stored image of one file becomes the canonical one. Raises UnusableFile."""
    return read_header(path, orientation, names).plan.geometry


def read_file(path: str | PathLike, orientation: str = "canonical", names: VendorNames = NO_NAMES) -> ImageFile:
    """Header, image and digest of one file. Raises UnusableFile and nothing else.

    Rescale slope and intercept are applied, MONOCHROME1 is inverted, unequal pixel spacing is resampled to the finer of
    the two (cubic, clipped to the range of the image). Compressed files are decoded in a child process.

    Orientation "canonical": the index of the columns and that of the rows each grow along a positive patient axis (x to
    the left, y to the back, z to the head), columns along the first of the plane's axes in the order x, y, z; oblique
    planes take the nearest axes. For axial planes that is Siemens' [1, 0, 0, 0, 1, 0]; GE's [-1, 0, 0, 0, -1, 0] is
    turned by 180 degrees. Sagittal: columns along y, rows along z; coronal: x and z, so both have the feet at the top.
    Without a usable ImageOrientationPatient the image stays as stored (``unknown`` in the header).
    Orientation "raw" leaves every image as stored.
    """
    _check_orientation(orientation)
    return guarded(lambda: _read_file(Path(path), orientation, names))


def read_planned(path: str | PathLike, header: Header) -> ImageFile | None:
    """``read_file`` of a file whose ``header`` was read before: its pixels alone are read, and nothing is parsed again.

    None where only ``read_file`` can do it: the pixels are compressed or stored in a rare way, or the file has changed.
    """
    return guarded(lambda: _read_planned(Path(path), header))


def _check_orientation(orientation: str) -> None:
    if orientation not in ORIENTATIONS:
        raise ValueError(f"orientation must be one of {ORIENTATIONS}, got {orientation!r}")


def _read_file(path: Path, orientation: str, names: VendorNames) -> ImageFile:
    dataset = open_dataset(path)
    header = _header(dataset, path, orientation, names)
    return _image_file(header, stored_pixels(dataset, path, header.plan.of_file, header.compressed))


def _read_planned(path: Path, header: Header) -> ImageFile | None:
    pixels = pixels_at(path, header.plan.of_file)
    return None if pixels is None else _image_file(header, pixels)


def _image_file(header: Header, pixels: np.ndarray) -> ImageFile:
    """``pixels`` are (Rows, Columns) integers as stored."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels, dtype="<i4").data)
    image = apply(in_unit_of_file(pixels, header.plan.of_file), header.plan.geometry)
    return ImageFile(header, image, digest.hexdigest()[:8])


def _header(dataset: pydicom.Dataset, path: Path, orientation: str, names: VendorNames) -> Header:
    _require_mr(dataset)
    vendor = _known_vendor(dataset, names)
    compressed = check_pixels(dataset, path)
    stored = stored_of(dataset, path)
    plan = geometry(dataset, orientation)
    header = Header(
        vendor=vendor,
        maker=text(dataset, "Manufacturer"),
        model=text(dataset, "ManufacturerModelName"),
        field_t=_field_t(dataset),
        tr_ms=positive(dataset, "RepetitionTime"),
        te_ms=positive(dataset, "EchoTime"),
        flip_deg=positive(dataset, "FlipAngle"),
        acquired_width=_acquired_width(dataset, plan.transpose),
        width=plan.width,
        height=plan.height,
        spacing_mm=plan.spacing_mm,
        thickness_mm=positive(dataset, "SliceThickness"),
        orientation=plan.orientation,
        scan_slices=positive(dataset, "ImagesInAcquisition"),
        phase=_phase_axis(dataset, plan.transpose),
        compressed=compressed,
        plane=plane_of(dataset),
        is_localizer=_is_localizer(dataset),
        series_hash=_series_hash(dataset),
        recipe="",
        plan=ImagePlan(stored, plan),
    )
    return with_recipe(header, stored.scale, stored.bits, integer(dataset, "PixelRepresentation"), plan)


def _is_localizer(dataset: pydicom.Dataset) -> bool:
    """Whether ImageType names a scout image, with which a technician plans the scan."""
    try:
        values = dataset.get("ImageType") or ()
    except Exception:  # a damaged value names nothing
        return False
    values = [values] if isinstance(values, str) else values
    return any(str(value).strip().upper() in ("LOCALIZER", "SCOUT") for value in values)


def _series_hash(dataset: pydicom.Dataset) -> str:
    try:
        uid = str(dataset.get("SeriesInstanceUID") or "")
    except Exception:  # a damaged value tells nothing apart
        return ""
    return hashlib.sha256(uid.encode()).hexdigest()[:8] if uid else ""


def _require_mr(dataset: pydicom.Dataset) -> None:
    modality = text(dataset, "Modality")
    if modality == "MR":
        return
    # a real modality is short (CT, XA, PT); a longer value is damaged and may hold a name
    shown = f"modality {modality or 'missing'}" if len(modality) <= 4 else "another modality"
    raise UnusableFile(f"not MR ({shown})")


def _known_vendor(dataset: pydicom.Dataset, names: VendorNames) -> str:
    manufacturer = text(dataset, "Manufacturer")
    vendor = names.vendor(manufacturer)
    if not vendor:
        raise UnusableFile(f"unknown vendor ({manufacturer or 'missing or unreadable'})")
    return vendor


def _field_t(dataset: pydicom.Dataset) -> float:
    field = positive(dataset, "MagneticFieldStrength")
    return field / GAUSS_PER_TESLA if field > MAX_TESLA else field


def _acquired_width(dataset: pydicom.Dataset, transposed: bool) -> float:
    """Samples acquired along the width of the image, NaN where the file does not say it."""
    matrix = numbers(dataset, "AcquisitionMatrix", 4)  # frequency rows, columns, phase rows, columns; two are 0
    if not matrix:
        return math.nan
    of_rows = max(matrix[0], matrix[2])
    of_columns = max(matrix[1], matrix[3])
    samples = of_rows if transposed else of_columns
    return float(samples) if samples > 0 else math.nan


def _phase_axis(dataset: pydicom.Dataset, transposed: bool) -> str:
    """The axis of phase encoding in the turned image: ROW, COL or ""."""
    phase = PHASE_AXES.get(text(dataset, "InPlanePhaseEncodingDirection"), "")
    return OTHER_AXIS[phase] if transposed else phase
