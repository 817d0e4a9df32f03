"""The one DICOM reader: a file -> the facts that matter and a canonical image, or the reason why it cannot serve.

Nothing that identifies a person leaves this module: no name, date, identifier, institution, UID or free text but the
maker's and the model's names.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import get_decoder
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tune_ks.data import child_process as children
from tune_ks.data.dicom.file import DEFER_BYTES, UnusableFile, guarded, integer, numbers, open_dataset, positive, text
from tune_ks.data.dicom.geometry import ORIENTATIONS, Geometry, apply, geometry
from tune_ks.data.limits import MAX_SIDE

PADDING_BYTES = 1024  # some writers pad uncompressed pixel data; more than this is not one image
PLUGINS = ("gdcm", "pydicom")  # gdcm: JPEG family; pydicom's own: RLE. Others may be installed, under other licences

# A maker's older name is kept apart from its newer one unless only the letter case or legal form changed.
VENDORS = {  # vendor -> what Manufacturer looks like, letter case aside
    "GE": r"\bge\b|general electric",
    "SIEMENS": r"siemens",
    "PHILIPS": r"philips",
    "CANON": r"\bcanon\b",
    "TOSHIBA": r"toshiba",
    "HITACHI": r"hitachi",
    "FUJIFILM": r"fujifilm",
    "UIH": r"\buih\b|united imaging",
    "ESAOTE": r"esaote",
    "AURORA": r"\baurora\b",
    "BRUKER": r"bruker",
    "HYPERFINE": r"hyperfine",
    "MPTRONIC": r"mptronic",  # code 1 of the Duke sheet; no file of it is known
}


@dataclass(frozen=True)
class Header:
    """What a file says of the image that ``read_image`` returns, in its orientation. NaN or "" where it is silent."""

    vendor: str  # a key of VENDORS
    model: str
    field_t: float
    tr_ms: float
    te_ms: float
    flip_deg: float
    acquired_width: float  # samples acquired along the image's width (AcquisitionMatrix)
    width: int  # pixels, after resampling to equal spacing
    height: int
    spacing_mm: float  # the same along both axes
    thickness_mm: float
    orientation: str  # canonical | unknown | raw
    scan_slices: float  # slices in the acquisition (ImagesInAcquisition)
    phase: str  # InPlanePhaseEncodingDirection in this orientation: ROW | COL | ""
    compressed: bool


def read_header(path: str | PathLike, orientation: str = "canonical") -> Header:
    """The facts of one file; its pixels are checked for presence and length, not decoded. Raises UnusableFile."""
    _check(orientation)
    return guarded(lambda: _header(open_dataset(Path(path), DEFER_BYTES), Path(path), orientation)[0])


def read_geometry(path: str | PathLike, orientation: str = "canonical") -> Geometry:
    """How the stored image of one file becomes the canonical one. Raises UnusableFile."""
    _check(orientation)
    return guarded(lambda: _header(open_dataset(Path(path), DEFER_BYTES), Path(path), orientation)[1])


def read_image(path: str | PathLike, orientation: str = "canonical") -> np.ndarray:
    """The image of one file, (H, W) float32, in the file's own intensity unit. Raises UnusableFile and nothing else.

    Rescale slope and intercept applied, MONOCHROME1 inverted, unequal pixel spacing resampled (cubic, clipped to the
    range of the image) to the finer of the two. Canonical: the columns' index and the rows' index each grow along a
    positive patient axis (x to the left, y to the back, z to the head), columns along the first of the plane's axes in
    the order x, y, z; oblique planes take the nearest. For axial planes that is Siemens' [1, 0, 0, 0, 1, 0]; GE's
    [-1, 0, 0, 0, -1, 0] is turned by 180 degrees. Sagittal: columns along y, rows along z; coronal: x and z, so both
    have the feet at the top. Without a usable ImageOrientationPatient the image stays as stored (``unknown`` in the
    header); ``orientation="raw"`` leaves all as stored. Compressed files are decoded in a child process.
    """
    return read_file(path, orientation)[1]


def read_file(path: str | PathLike, orientation: str = "canonical") -> tuple[Header, np.ndarray, str]:
    """Header, image and digest (8 hexadecimal digits of the decoded stored pixels) of one file. Raises UnusableFile."""
    _check(orientation)
    return guarded(lambda: _read_file(Path(path), orientation))


def vendor_of(manufacturer: str) -> str:
    """GE, SIEMENS, PHILIPS ... (a key of VENDORS) from what Manufacturer says; "" when it is none that is known."""
    return next((name for name, looks in VENDORS.items() if re.search(looks, manufacturer, re.IGNORECASE)), "")


def decode_stored(note: children.Note, path: str) -> np.ndarray | str:
    """The stored pixels of one file, or the reason why there are none. What a child is asked for."""
    try:
        return guarded(lambda: _checked(open_dataset(Path(path)), Path(path)))
    except UnusableFile as unusable:
        return unusable.reason


def _check(orientation: str) -> None:
    if orientation not in ORIENTATIONS:
        raise ValueError(f"orientation must be one of {ORIENTATIONS}, got {orientation!r}")


def _header(dataset: pydicom.Dataset, path: Path, orientation: str) -> tuple[Header, Geometry]:
    modality = text(dataset, "Modality")
    if modality != "MR":
        told = f"modality {modality or 'missing'}" if len(modality) <= 4 else "another modality"  # CT, XA ... PT
        raise UnusableFile(f"not MR ({told})")
    manufacturer = text(dataset, "Manufacturer")
    vendor = vendor_of(manufacturer)
    if not vendor:
        raise UnusableFile(f"unknown vendor ({manufacturer or 'missing or unreadable'})")
    compressed = _check_pixels(dataset, path)
    plan = geometry(dataset, orientation)
    acquired = numbers(dataset, "AcquisitionMatrix", 4)  # frequency rows, columns, phase rows, columns; two are 0
    along_width, along_height = (max(acquired[1], acquired[3]), max(acquired[0], acquired[2])) if acquired else (0, 0)
    phase = {"ROW": "ROW", "ROWS": "ROW", "COL": "COL", "COLUMN": "COL"}.get(
        text(dataset, "InPlanePhaseEncodingDirection"), ""
    )
    if plan.transpose:
        along_width = along_height
        phase = {"ROW": "COL", "COL": "ROW", "": ""}[phase]
    field = positive(dataset, "MagneticFieldStrength")
    header = Header(
        vendor=vendor,
        model=text(dataset, "ManufacturerModelName"),
        field_t=field / 1e4 if field > 100 else field,  # some older files give gauss
        tr_ms=positive(dataset, "RepetitionTime"),
        te_ms=positive(dataset, "EchoTime"),
        flip_deg=positive(dataset, "FlipAngle"),
        acquired_width=float(along_width) if along_width > 0 else math.nan,
        width=plan.width,
        height=plan.height,
        spacing_mm=plan.spacing_mm,
        thickness_mm=positive(dataset, "SliceThickness"),
        orientation=plan.orientation,
        scan_slices=positive(dataset, "ImagesInAcquisition"),
        phase=phase,
        compressed=compressed,
    )
    return header, plan


def _check_pixels(dataset: pydicom.Dataset, path: Path) -> bool:
    """Whether the pixels are compressed; raises when they cannot be one image of the stated size."""
    if "PixelData" not in dataset:
        raise UnusableFile("no pixel data")
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise UnusableFile("no image size")
    if max(rows, columns) > MAX_SIDE:
        raise UnusableFile(f"absurd size ({rows} x {columns} pixels, the limit is {MAX_SIDE} a side)")
    if integer(dataset, "NumberOfFrames", 1) > 1:
        raise UnusableFile("several frames")
    photometric = text(dataset, "PhotometricInterpretation")
    if integer(dataset, "SamplesPerPixel", 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnusableFile("not a grey-scale image")
    bits = integer(dataset, "BitsAllocated")
    if bits not in (8, 16, 32):
        raise UnusableFile("not 8, 16 or 32 bits a pixel")
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise UnusableFile("no transfer syntax")
    if syntax.is_encapsulated:
        return True
    element = dataset.get_item("PixelData", keep_deferred=True)
    length = element.length if element.value is None else len(element.value)
    expected = rows * columns * bits // 8
    inflated = syntax == DeflatedExplicitVRLittleEndian  # then it is read whole, and what is absent shows in its length
    cut = element.value is None and not inflated and element.value_tell + length > path.stat().st_size
    if length < expected or cut:
        raise UnusableFile("truncated")
    if length > expected + PADDING_BYTES:
        raise UnusableFile("pixel data longer than one image")
    return False


def _read_file(path: Path, orientation: str) -> tuple[Header, np.ndarray, str]:
    dataset = open_dataset(path)
    header, plan = _header(dataset, path, orientation)
    if header.compressed and not children.inside:
        try:
            stored = children.call("tune_ks.data.dicom.reader:decode_stored", {"path": str(path)})
        except children.ChildDied:
            raise UnusableFile("the decoder crashed") from None
        if isinstance(stored, str):
            raise UnusableFile(stored)
    else:
        stored = _stored(dataset, header.compressed)
    digest = hashlib.sha256(repr(stored.shape).encode())
    digest.update(np.ascontiguousarray(stored, dtype="<i4"))
    image = stored.astype(np.float64)
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        signed, bits = integer(dataset, "PixelRepresentation", 0) == 1, integer(dataset, "BitsStored")
        image = (-1 if signed else 2**bits - 1) - image  # about the range that can be stored: alike for a whole series
    slope, intercept = (numbers(dataset, name, 1) for name in ("RescaleSlope", "RescaleIntercept"))
    with np.errstate(all="ignore"):
        image = (image * (slope[0] if slope else 1) + (intercept[0] if intercept else 0)).astype(np.float32)
    if not np.isfinite(image).all():
        raise UnusableFile("values that are not finite")
    return header, apply(image, plan), digest.hexdigest()[:8]


def _checked(dataset: pydicom.Dataset, path: Path) -> np.ndarray:
    return _stored(dataset, _check_pixels(dataset, path))


def _stored(dataset: pydicom.Dataset, compressed: bool) -> np.ndarray:
    """(Rows, Columns) integers as stored. A compressed file must be decoded in a child: native decoders can crash."""
    try:
        decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    except NotImplementedError:
        raise UnusableFile("an encoding that no decoder knows") from None
    plugin = next((name for name in PLUGINS if name in decoder.available_plugins), "") if compressed else ""
    if compressed and not plugin:
        raise UnusableFile("an encoding that no decoder knows")
    stored, _ = decoder.as_array(dataset, raw=True, decoding_plugin=plugin)
    if stored.shape != (dataset.Rows, dataset.Columns):
        raise UnusableFile("damaged (decoded to another size)")
    return stored
