"""One DICOM file, opened within limits -> the tags that this project reads, or the reason why it cannot serve."""

import math
import os
import re
import stat
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tune_ks.data.limits import MAX_FILE_BYTES, MAX_INFLATED_BYTES, MAX_READS, MAX_VALUE_BYTES, mebibytes
from tune_ks.data.unusable import UnusableFile

MAX_TEXT = 64  # characters of a value that is one text (DICOM's LO)
MAX_SHOWN = 40  # characters of it that may reach a table or a message
DEFER_BYTES = 4096  # values longer than this are not read when only the header is asked for

TAGS = [
    "Manufacturer", "ManufacturerModelName", "Modality", "MagneticFieldStrength", "RepetitionTime", "EchoTime",
    "FlipAngle", "AcquisitionMatrix", "InPlanePhaseEncodingDirection", "SliceThickness", "PixelSpacing",
    "ImageOrientationPatient", "ImagesInAcquisition", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PlanarConfiguration", "NumberOfFrames",
    "RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelPaddingRangeLimit", "ImageType",
    "SeriesInstanceUID", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelData",
]  # fmt: skip
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")  # of an enhanced MR file
IN_GROUPS = {  # sequence of a functional group -> its tags, and what they are called in a file without groups
    "PixelMeasuresSequence": {"PixelSpacing": "PixelSpacing", "SliceThickness": "SliceThickness"},
    "PlaneOrientationSequence": {"ImageOrientationPatient": "ImageOrientationPatient"},
    "PixelValueTransformationSequence": {"RescaleSlope": "RescaleSlope", "RescaleIntercept": "RescaleIntercept"},
    "MRTimingAndRelatedParametersSequence": {"RepetitionTime": "RepetitionTime", "FlipAngle": "FlipAngle"},
    "MREchoSequence": {"EffectiveEchoTime": "EchoTime"},
    "MRFOVGeometrySequence": {"InPlanePhaseEncodingDirection": "InPlanePhaseEncodingDirection"},
}
FIRST_VRS = (b"UL", b"CS", b"UI", b"OB", b"SH")  # of the elements that a file may begin with
UNDEFINED_LENGTH = 0xFFFFFFFF
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
TAG_NUMBERS = [Tag(name) for name in TAGS]  # looked up once: pydicom would look them up again for every file
SHORT = {Tag(name): name for name in TAGS if name not in ("PixelData", *GROUPS)}  # of MAX_VALUE_BYTES at most


class _Metered:
    """A file that allows MAX_READS reads: a crafted header can neither hang the parser nor fill the memory.

    Every element costs at least one read, also inside sequences. The parser asks for the rest of a file at once in one
    case only: the file is deflated, and the parser would inflate it without a limit. So its inflated size is checked.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.reads_left = MAX_READS
        self.name = file.name
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise UnusableFile(f"damaged (more than {MAX_READS:,} elements)")
        if size is not None and size >= 0:
            return self.file.read(size)
        deflated = self.file.read()
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        if len(inflater.decompress(deflated, MAX_INFLATED_BYTES + 1)) > MAX_INFLATED_BYTES:
            raise UnusableFile(f"too large (inflates to more than {mebibytes(MAX_INFLATED_BYTES)})")
        return deflated


def open_dataset(path: Path, defer_bytes: int | None = None) -> pydicom.Dataset:
    """The TAGS of one file; values longer than ``defer_bytes`` stay in the file. Raises UnusableFile, among others."""
    with open_file(path) as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bare = _has_no_preamble(file)
        try:
            dataset = pydicom.dcmread(_Metered(file), defer_size=defer_bytes, force=bare, specific_tags=TAG_NUMBERS)
        except InvalidDicomError:
            raise UnusableFile("not a DICOM file") from None
    if bare:
        _name_syntax(dataset)
    if any("end of file" in str(warning.message).lower() for warning in caught):
        raise UnusableFile("truncated")
    for tag, element in dataset.items():
        if tag in SHORT and _length_of(element) > MAX_VALUE_BYTES:
            raise UnusableFile(f"damaged ({SHORT[tag]} is longer than {MAX_VALUE_BYTES} bytes)")
    if defer_bytes is not None and any(_is_deferred(dataset, name) for name in GROUPS):
        return open_dataset(path)  # the values of a long header lie in it: the file is read whole
    _lift_functional_groups(dataset)
    return dataset


def values_as_stored(dataset: pydicom.Dataset) -> list[Any] | None:
    """Every value that was read, as the file has it, with all that says how to read it; nothing is parsed.

    Two files with equal ones say the same. None for a file with functional groups: its values are parsed already.
    """
    if any(tag_of(name) in dataset for name in GROUPS):
        return None
    values = [(tag, element.VR, getattr(element, "length", None), element.value) for tag, element in dataset.items()]
    return [dataset.file_meta.get("TransferSyntaxUID"), dataset.original_encoding, *values]


def _has_no_preamble(file: BinaryIO) -> bool:
    """Whether a file begins with DICOM's first elements at once: some archives write it, and every viewer reads it."""
    head = file.read(132)
    file.seek(0)
    if head[128:] == b"DICM" or len(head) < 132:
        return False
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    is_explicit = head[4:6] in FIRST_VRS
    is_implicit = int.from_bytes(head[4:8], "little") <= MAX_VALUE_BYTES
    return (group == 2 and element <= 2 and is_explicit) or (
        group == 8 and element <= 0x18 and (is_explicit or is_implicit)
    )


def _name_syntax(dataset: pydicom.Dataset) -> None:
    """Give a file without meta information the transfer syntax that its elements show. Compressed pixels show none."""
    meta = dataset.file_meta
    element = dataset.get_item("PixelData", keep_deferred=True) if "PixelData" in dataset else None
    if meta.get("TransferSyntaxUID") is None and getattr(element, "length", 0) != UNDEFINED_LENGTH:
        is_implicit, _ = dataset.original_encoding
        meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian


def _is_deferred(dataset: pydicom.Dataset, keyword: str) -> bool:
    element = dataset.get_item(keyword, keep_deferred=True) if keyword in dataset else None
    return element is not None and element.value is None and getattr(element, "length", 0) > 0


def _lift_functional_groups(dataset: pydicom.Dataset) -> None:
    """Give a one-frame enhanced file the tags of its functional groups where every other file has them."""
    if integer(dataset, "NumberOfFrames", 1) > 1:
        return
    for sequence in GROUPS:
        items = value_or_none(dataset, sequence) if sequence in dataset else None
        for group in list(items or [])[:1]:
            for name, tags in IN_GROUPS.items():
                inner = value_or_none(group, name) if name in group else None
                for values in list(inner or [])[:1]:
                    _lift(values, tags, dataset)


def _lift(values: pydicom.Dataset, tags: dict[str, str], dataset: pydicom.Dataset) -> None:
    """Copy the ``tags`` that ``dataset`` lacks; a value of absurd length is left out."""
    for name, target in tags.items():
        if name in values and target not in dataset and _length(values, tag_of(name)) <= MAX_VALUE_BYTES:
            value = value_or_none(values, name)
            if value is not None:
                setattr(dataset, target, value)


def open_file(path: Path) -> BinaryIO:
    """A regular file of a size that one image may have, open for reading. Raises UnusableFile."""
    try:
        _check_status(path.stat())  # before it is opened: opening a named pipe would wait for ever
        return path.open("rb")
    except FileNotFoundError:
        raise UnusableFile("no such file") from None
    except OSError as error:
        raise UnusableFile(f"cannot be opened ({type(error).__name__})") from None


def _check_status(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFile("not a file")
    if status.st_size == 0:
        raise UnusableFile("empty file")
    if status.st_size > MAX_FILE_BYTES:
        sizes = f"{mebibytes(status.st_size)}, the limit is {mebibytes(MAX_FILE_BYTES)}"
        raise UnusableFile(f"too large for one image ({sizes})")


@cache
def tag_of(keyword: str) -> BaseTag:
    """The number of a tag: a file is asked by it in half the time that asking by keyword takes."""
    return Tag(keyword)


def value_or_none(dataset: pydicom.Dataset, keyword: str) -> Any:
    """A value; None where the file lacks it, and where it cannot be read."""
    tag = tag_of(keyword)
    if tag not in dataset:
        return None
    try:
        return dataset[tag].value
    except Exception:  # one malformed value must not cost the file; what is needed is checked by the caller
        return None


def text(dataset: pydicom.Dataset, keyword: str) -> str:
    """Plain letters, digits and a few signs of a text value, MAX_SHOWN at most: a damaged value can do no harm.

    "" for a value with control characters: its length is damaged, so that it holds other elements too, perhaps a name.
    """
    value = str(value_or_none(dataset, keyword) or "").strip("\0 \r\n")
    if not value.isprintable() or len(value) > MAX_TEXT:
        return ""
    return re.sub(r"[^A-Za-z0-9 ._/+-]", "", value).strip()[:MAX_SHOWN]


def numbers(dataset: pydicom.Dataset, keyword: str, count: int) -> list[float] | None:
    """Exactly ``count`` finite numbers, or None. A comma is read as the decimal sign, which DICOM does not allow."""
    value = value_or_none(dataset, keyword)
    parts = [value] if isinstance(value, (int, float, str)) else value
    try:
        values = [float(_with_point(part)) for part in parts]
    except (TypeError, ValueError, OverflowError):
        return None
    if len(values) != count or not all(map(math.isfinite, values)):
        return None
    return values


def _with_point(part: Any) -> Any:
    """A number that pydicom left as text because of its decimal comma, with a point."""
    is_comma = isinstance(part, str) and DECIMAL_COMMA.fullmatch(part.strip())
    return part.replace(",", ".") if is_comma else part


def is_filled(dataset: pydicom.Dataset, keyword: str) -> bool:
    """Whether a tag is there and holds anything."""
    tag = tag_of(keyword)
    return tag in dataset and _length(dataset, tag) > 0


def number_or_refuse(dataset: pydicom.Dataset, keyword: str, default: float) -> float:
    """A finite number, ``default`` where the tag is absent. UnusableFile where it is there and cannot be read."""
    if tag_of(keyword) not in dataset:
        return default
    values = numbers(dataset, keyword, 1)
    if values is None:
        state = "cannot be read" if is_filled(dataset, keyword) else "is empty"
        raise UnusableFile(f"{keyword} {state}")
    return values[0]


def number(dataset: pydicom.Dataset, keyword: str, default: float) -> float:
    """A finite number, or ``default``."""
    values = numbers(dataset, keyword, 1)
    return values[0] if values else default


def positive(dataset: pydicom.Dataset, keyword: str) -> float:
    """A number above 0, or NaN."""
    value = number(dataset, keyword, math.nan)
    return value if value > 0 else math.nan


def integer(dataset: pydicom.Dataset, keyword: str, default: int = 0) -> int:
    """A number without its fraction, or ``default``."""
    return int(number(dataset, keyword, default))


def _length(dataset: pydicom.Dataset, tag: BaseTag) -> int:
    """Bytes of a value, without parsing it."""
    return _length_of(dataset.get_item(tag, keep_deferred=True))


def _length_of(element: Any) -> int:
    length = getattr(element, "length", None)
    if length is None:  # it was parsed before
        return 0 if getattr(element, "is_empty", True) else 1
    return length
