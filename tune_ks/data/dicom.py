"""The one DICOM reader: a file -> the facts that matter and a canonical image, or the reason why it cannot serve.

Nothing that identifies a person leaves this module: no name, date, identifier, institution, UID or free text but the
maker's and the model's names.
"""

import hashlib
import math
import re
import stat
import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels import get_decoder

from tune_ks.data import children

MAX_PIXELS = 8192 * 8192  # Rows x Columns, also after resampling; more is taken for a damaged header
PADDING_BYTES = 1024  # some writers pad uncompressed pixel data; more than this is not one image
DEFER_BYTES = 4096  # values longer than this are not read when only the header is asked for
ORIENTATIONS = ("canonical", "raw")
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

TAGS = [
    "Manufacturer", "ManufacturerModelName", "Modality", "MagneticFieldStrength", "RepetitionTime", "EchoTime",
    "FlipAngle", "AcquisitionMatrix", "InPlanePhaseEncodingDirection", "SliceThickness", "PixelSpacing",
    "ImageOrientationPatient", "ImagesInAcquisition", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PlanarConfiguration", "NumberOfFrames",
    "RescaleSlope", "RescaleIntercept", "PixelData",
]  # fmt: skip


class UnusableFile(ValueError):
    """This file cannot serve. ``reason`` is one of a few short texts, so that reasons can be counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
    return _guarded(lambda: _header(_dataset(Path(path), DEFER_BYTES), Path(path), orientation)[0], orientation)


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
    return _guarded(lambda: _read_file(Path(path), orientation), orientation)


def vendor_of(manufacturer: str) -> str:
    """GE, SIEMENS, PHILIPS ... (a key of VENDORS) from what Manufacturer says; "" when it is none that is known."""
    return next((name for name, looks in VENDORS.items() if re.search(looks, manufacturer, re.IGNORECASE)), "")


def decode_stored(note: children.Note, path: str) -> np.ndarray | str:
    """The stored pixels of one file, or the reason why there are none. What a child is asked for."""
    try:
        return _guarded(lambda: _stored(_dataset(Path(path)), Path(path)), "raw")
    except UnusableFile as unusable:
        return unusable.reason


class _Geometry(NamedTuple):
    """How the stored image becomes the canonical one, and the shape it then has."""

    orientation: str
    transpose: bool
    flip_rows: bool
    flip_columns: bool
    height: int
    width: int
    spacing_mm: float


def _guarded(read: Any, orientation: str) -> Any:
    """``read()``, with every failure turned into an UnusableFile whose reason holds nothing of the file's content."""
    if orientation not in ORIENTATIONS:
        raise ValueError(f"orientation must be one of {ORIENTATIONS}, got {orientation!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # their texts quote values of the file
            return read()
    except UnusableFile:
        raise
    except InvalidDicomError:
        raise UnusableFile("not a DICOM file") from None
    except Exception as error:  # a damaged file can make the reader fail in any way
        raise UnusableFile(f"damaged ({type(error).__name__})") from None


def _dataset(path: Path, defer_bytes: int | None = None) -> pydicom.Dataset:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnusableFile("not a file")
        if status.st_size == 0:
            raise UnusableFile("empty file")
        file = path.open("rb")
    except FileNotFoundError:
        raise UnusableFile("no such file") from None
    except OSError as error:
        raise UnusableFile(f"cannot be opened ({type(error).__name__})") from None
    with file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = pydicom.dcmread(file, defer_size=defer_bytes, specific_tags=TAGS)
    if any("end of file" in str(warning.message).lower() for warning in caught):
        raise UnusableFile("truncated")
    return dataset


def _header(dataset: pydicom.Dataset, path: Path, orientation: str) -> tuple[Header, _Geometry]:
    modality = _text(dataset, "Modality")
    if modality != "MR":
        raise UnusableFile(f"not MR (modality {modality or 'missing'})")
    manufacturer = _text(dataset, "Manufacturer")
    vendor = vendor_of(manufacturer)
    if not vendor:
        raise UnusableFile(f"unknown vendor ({manufacturer or 'missing'})")
    compressed = _check_pixels(dataset, path)
    plan = _geometry(dataset, orientation)
    acquired = _numbers(dataset, "AcquisitionMatrix", 4)  # frequency rows, columns, phase rows, columns; two are 0
    along_width, along_height = (max(acquired[1], acquired[3]), max(acquired[0], acquired[2])) if acquired else (0, 0)
    phase = {"ROW": "ROW", "ROWS": "ROW", "COL": "COL", "COLUMN": "COL"}.get(
        _text(dataset, "InPlanePhaseEncodingDirection"), ""
    )
    if plan.transpose:
        along_width = along_height
        phase = {"ROW": "COL", "COL": "ROW", "": ""}[phase]
    field = _positive(dataset, "MagneticFieldStrength")
    header = Header(
        vendor=vendor,
        model=_text(dataset, "ManufacturerModelName"),
        field_t=field / 1e4 if field > 100 else field,  # some older files give gauss
        tr_ms=_positive(dataset, "RepetitionTime"),
        te_ms=_positive(dataset, "EchoTime"),
        flip_deg=_positive(dataset, "FlipAngle"),
        acquired_width=float(along_width) if along_width > 0 else math.nan,
        width=plan.width,
        height=plan.height,
        spacing_mm=plan.spacing_mm,
        thickness_mm=_positive(dataset, "SliceThickness"),
        orientation=plan.orientation,
        scan_slices=_positive(dataset, "ImagesInAcquisition"),
        phase=phase,
        compressed=compressed,
    )
    return header, plan


def _check_pixels(dataset: pydicom.Dataset, path: Path) -> bool:
    """Whether the pixels are compressed; raises when they cannot be one image of the stated size."""
    if "PixelData" not in dataset:
        raise UnusableFile("no pixel data")
    rows, columns = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise UnusableFile("no image size")
    if rows * columns > MAX_PIXELS:
        raise UnusableFile(f"absurd size (more than {MAX_PIXELS} pixels)")
    if _integer(dataset, "NumberOfFrames", 1) > 1:
        raise UnusableFile("several frames")
    photometric = _text(dataset, "PhotometricInterpretation")
    if _integer(dataset, "SamplesPerPixel", 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnusableFile("not a grey-scale image")
    bits = _integer(dataset, "BitsAllocated")
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
    cut = element.value is None and element.value_tell + length > path.stat().st_size
    if length < expected or cut:
        raise UnusableFile("truncated")
    if length > expected + PADDING_BYTES:
        raise UnusableFile("pixel data longer than one image")
    return False


def _geometry(dataset: pydicom.Dataset, orientation: str) -> _Geometry:
    height, width = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    spacing = _numbers(dataset, "PixelSpacing", 2)  # between rows, between columns
    between_rows, between_columns = spacing if spacing and min(spacing) > 0 else (math.nan, math.nan)
    transpose = flip_rows = flip_columns = False
    axes = None
    if orientation == "canonical":
        axes = _patient_axes(_numbers(dataset, "ImageOrientationPatient", 6))
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
        if height * width > MAX_PIXELS:
            raise UnusableFile("absurd pixel spacing")
    return _Geometry(orientation, transpose, flip_rows, flip_columns, height, width, finer)


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


def _read_file(path: Path, orientation: str) -> tuple[Header, np.ndarray, str]:
    dataset = _dataset(path)
    header, plan = _header(dataset, path, orientation)
    if header.compressed and not children.inside:
        try:
            stored = children.call("tune_ks.data.dicom:decode_stored", {"path": str(path)})
        except children.ChildDied:
            raise UnusableFile("the decoder crashed") from None
        if isinstance(stored, str):
            raise UnusableFile(stored)
    else:
        stored = _stored(dataset, path)
    digest = hashlib.sha256(repr(stored.shape).encode() + stored.astype("<i4").tobytes()).hexdigest()[:8]
    image = stored.astype(np.float64)
    if _text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        signed, bits = _integer(dataset, "PixelRepresentation", 0) == 1, _integer(dataset, "BitsStored")
        image = (-1 if signed else 2**bits - 1) - image  # about the range that can be stored: alike for a whole series
    slope, intercept = (_numbers(dataset, name, 1) for name in ("RescaleSlope", "RescaleIntercept"))
    with np.errstate(all="ignore"):
        image = (image * (slope[0] if slope else 1) + (intercept[0] if intercept else 0)).astype(np.float32)
    if not np.isfinite(image).all():
        raise UnusableFile("values that are not finite")
    if plan.transpose:
        image = image.T
    if plan.flip_rows:
        image = image[::-1]
    if plan.flip_columns:
        image = image[:, ::-1]
    if image.shape != (plan.height, plan.width):
        image = _resample(image, (plan.height, plan.width))
    return header, np.ascontiguousarray(image), digest


def _stored(dataset: pydicom.Dataset, path: Path) -> np.ndarray:
    """(Rows, Columns) integers as stored. A compressed file must be decoded in a child: native decoders can crash."""
    compressed = _check_pixels(dataset, path)
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


def _resample(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from scipy import ndimage  # rarely needed, slow to import

    zoom = [target / size for target, size in zip(shape, image.shape)]
    finer = ndimage.zoom(image, zoom, order=3, mode="nearest", grid_mode=True)
    return np.clip(finer, image.min(), image.max())  # a cubic overshoots at edges


def _value(dataset: pydicom.Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception:  # one malformed value must not cost the file; what is needed is checked by the caller
        return None


def _text(dataset: pydicom.Dataset, keyword: str) -> str:
    """Plain letters, digits and a few signs of a text value, 40 at most: a damaged value stays harmless in a table."""
    return re.sub(r"[^A-Za-z0-9 ._/+-]", "", str(_value(dataset, keyword) or "")).strip()[:40]


def _numbers(dataset: pydicom.Dataset, keyword: str, count: int) -> list[float] | None:
    """Exactly ``count`` finite numbers, or None."""
    value = _value(dataset, keyword)
    try:
        numbers = [float(value)] if isinstance(value, (int, float, str)) else [float(part) for part in value]
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _positive(dataset: pydicom.Dataset, keyword: str) -> float:
    numbers = _numbers(dataset, keyword, 1)
    return numbers[0] if numbers and numbers[0] > 0 else math.nan


def _integer(dataset: pydicom.Dataset, keyword: str, default: int = 0) -> int:
    numbers = _numbers(dataset, keyword, 1)
    return int(numbers[0]) if numbers else default
