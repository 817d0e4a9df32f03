"""The pixels of a DICOM file: checked by the header first, then decoded, then in the file's own intensity unit."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tune_ks.data import child_process
from tune_ks.data.dicom.file import (
    UNDEFINED_LENGTH,
    integer,
    number_or_refuse,
    numbers,
    open_dataset,
    open_file,
    text,
    value_or_none,
)
from tune_ks.data.dicom.header import Place, Scale, Stored
from tune_ks.data.limits import MAX_SIDE
from tune_ks.data.unusable import UnusableFile, guarded

PADDING_BYTES = 1024  # some writers pad uncompressed pixel data; more than this is not one image
PLUGINS = ("gdcm", "pydicom")  # gdcm: JPEG family; pydicom's own: RLE. Others may be installed, under other licences
GREY_SCALE = ("MONOCHROME1", "MONOCHROME2")
BITS = (8, 16, 32)
SIZES = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel")
PLAIN_SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)


def check_pixels(dataset: pydicom.Dataset, path: Path) -> bool:
    """Whether the pixels are compressed. UnusableFile when they cannot be one image of the stated size."""
    if "PixelData" not in dataset:
        raise UnusableFile("no pixel data")
    _check_size(dataset)
    _check_grey_scale(dataset)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise UnusableFile("no transfer syntax")
    if syntax.is_encapsulated:
        return True
    _check_length(dataset, path)
    return False


def stored_of(dataset: pydicom.Dataset, path: Path) -> Stored:
    """How a file stores its pixels, which were checked. UnusableFile where their scale cannot be read."""
    bits = integer(dataset, "BitsStored")
    return Stored(
        rows=integer(dataset, "Rows"),
        columns=integer(dataset, "Columns"),
        allocated=integer(dataset, "BitsAllocated"),
        bits=bits,
        high_bit=integer(dataset, "HighBit", bits - 1),
        signed=integer(dataset, "PixelRepresentation", 0) == 1,
        photometric=text(dataset, "PhotometricInterpretation"),
        syntax=str(dataset.file_meta.TransferSyntaxUID),
        scale=_scale_of(dataset),
        place=_place(dataset, path),
    )


def stored_alike(stored: Stored, dataset: pydicom.Dataset, path: Path) -> Stored:
    """How a file stores its pixels that says the same as the file of ``stored``. UnusableFile where it is truncated."""
    if _ends_early(dataset, path):
        raise UnusableFile("truncated")
    return stored if stored.place is None else stored._replace(place=_place_in(dataset, path))


def pixels_at(path: Path, stored: Stored) -> np.ndarray | None:
    """(Rows, Columns) integers as stored, without parsing the file again. None where that cannot be, or it changed.

    Compressed ones only in a child process: native decoders can crash.
    """
    compressed = UID(stored.syntax).is_encapsulated
    if stored.place is None or (compressed and not child_process.in_child):
        return None
    count = stored.rows * stored.columns
    with open_file(path) as file:
        status = os.fstat(file.fileno())
        if (status.st_size, status.st_mtime_ns) != (stored.place.size, stored.place.modified_ns):
            return None
        file.seek(stored.place.offset)
        content = file.read(-1 if compressed else count * stored.allocated // 8)
    if compressed:
        return _decoded(content, stored)
    kind = "i" if stored.signed else "u"
    values = np.frombuffer(content, f"<{kind}{stored.allocated // 8}", count)
    return _aligned(values.reshape(stored.rows, stored.columns), stored)


def _decoded(content: bytes, stored: Stored) -> np.ndarray | None:
    """Compressed pixels, from the file's bytes that begin with them; None where pydicom shall say why they are bad."""
    try:
        decoder = get_decoder(UID(stored.syntax))
        options: dict[str, Any] = {  # pydicom's own types ask for a dict of all options as the value of each
            "correct_unused_bits": True,
            "rows": stored.rows,
            "columns": stored.columns,
            "samples_per_pixel": 1,
            "number_of_frames": 1,
            "bits_allocated": stored.allocated,
            "bits_stored": stored.bits,
            "pixel_representation": int(stored.signed),
            "photometric_interpretation": stored.photometric,
        }
        pixels, _ = decoder.as_array(content, raw=True, decoding_plugin=_plugin(decoder), **options)
    except Exception:  # a damaged file can make the decoders fail in any way
        return None
    return pixels if pixels.shape == (stored.rows, stored.columns) else None


def stored_pixels(dataset: pydicom.Dataset, path: Path, stored: Stored, compressed: bool) -> np.ndarray:
    """(Rows, Columns) integers as stored. Compressed ones are decoded in a child process: native decoders can crash."""
    if not compressed or child_process.in_child:
        return _decode(dataset, stored, compressed)
    try:
        decoded = child_process.call("tune_ks.data.dicom.pixels:decode_stored", {"path": str(path)})
    except child_process.ChildDied:
        raise UnusableFile("the decoder crashed") from None
    if isinstance(decoded, str):
        raise UnusableFile(decoded)
    return decoded


def decode_stored(report: child_process.Report, path: str) -> np.ndarray | str:
    """The stored pixels of one file, or the reason why there are none. Called in a child process."""
    try:
        return guarded(lambda: _open_and_decode(Path(path)))
    except UnusableFile as unusable:
        return unusable.reason


def _scale_of(dataset: pydicom.Dataset) -> Scale:
    """The scale of one file. UnusableFile where it is given and cannot be read: 1 instead would be a guess."""
    slope = number_or_refuse(dataset, "RescaleSlope", 1)
    if slope == 0:
        raise UnusableFile("RescaleSlope is 0")
    return Scale(
        inverted=text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        slope=slope,
        intercept=number_or_refuse(dataset, "RescaleIntercept", 0),
        padding=_padding(dataset),
    )


def in_unit_of_file(pixels: np.ndarray, stored: Stored) -> np.ndarray:
    """Stored integers -> float32 intensities: MONOCHROME1 inverted, then RescaleSlope and RescaleIntercept applied.

    Pixels of PixelPaddingValue become as dark as the darkest measured one: as they are stored they would squeeze the
    tissue into a corner of the scale.
    """
    scale = stored.scale
    image = pixels.astype(np.float64)
    if scale.inverted:
        # about the range that can be stored, which is the same for a whole series
        largest = -1 if stored.signed else 2**stored.bits - 1
        image = largest - image
    with np.errstate(all="ignore"):
        image = (image * scale.slope + scale.intercept).astype(np.float32)
    if not np.isfinite(image).all():
        raise UnusableFile("values that are not finite")
    if scale.padding is None:
        return image
    return _darkened(image, _is_padding(pixels, scale.padding, stored.allocated))


def _padding(dataset: pydicom.Dataset) -> tuple[int, int] | None:
    first = numbers(dataset, "PixelPaddingValue", 1)
    if first is None:
        return None
    last = numbers(dataset, "PixelPaddingRangeLimit", 1) or first
    return int(min(first[0], last[0])), int(max(first[0], last[0]))


def _is_padding(pixels: np.ndarray, padding: tuple[int, int], bits: int) -> np.ndarray:
    """Which pixels are padding. Signed and unsigned writings of one value are the same: writers mix them up."""
    first, last = padding
    return (pixels.astype(np.int64) - first) % 2**bits <= last - first


def _darkened(image: np.ndarray, padding: np.ndarray) -> np.ndarray:
    """The image with its padding as dark as its darkest other pixel; a padding between 0 and that one stays."""
    if not padding.any() or padding.all():
        return image
    darkest = image[~padding].min()
    squeezes = padding & ((image < 0) | (image > darkest))
    return np.where(squeezes, darkest, image)


def _check_size(dataset: pydicom.Dataset) -> None:
    rows = integer(dataset, "Rows")
    columns = integer(dataset, "Columns")
    if rows < 1 or columns < 1:
        raise UnusableFile("no image size")
    if max(rows, columns) > MAX_SIDE:
        raise UnusableFile(f"absurd size ({rows} x {columns} pixels, the limit is {MAX_SIDE} a side)")
    if integer(dataset, "NumberOfFrames", 1) > 1:
        raise UnusableFile("several frames")


def _check_grey_scale(dataset: pydicom.Dataset) -> None:
    photometric = text(dataset, "PhotometricInterpretation")
    if integer(dataset, "SamplesPerPixel", 1) != 1 or photometric not in GREY_SCALE:
        raise UnusableFile("not a grey-scale image")
    if integer(dataset, "BitsAllocated") not in BITS:
        raise UnusableFile("not 8, 16 or 32 bits a pixel")
    bits = integer(dataset, "BitsStored")
    if not 1 <= bits <= integer(dataset, "BitsAllocated"):
        raise UnusableFile("BitsStored contradicts BitsAllocated")
    if not bits - 1 <= integer(dataset, "HighBit", bits - 1) < integer(dataset, "BitsAllocated"):
        raise UnusableFile("HighBit contradicts BitsStored")


def _check_length(dataset: pydicom.Dataset, path: Path) -> None:
    """UnusableFile where uncompressed pixel data is shorter or longer than one image."""
    element = _pixel_data(dataset)
    length = element.length if element.value is None else len(element.value)
    expected = integer(dataset, "Rows") * integer(dataset, "Columns") * integer(dataset, "BitsAllocated") // 8
    if length < expected or _ends_early(dataset, path):
        raise UnusableFile("truncated")
    if length > expected + PADDING_BYTES:
        raise UnusableFile("pixel data longer than one image")


def _ends_early(dataset: pydicom.Dataset, path: Path) -> bool:
    """Whether a file ends within its uncompressed pixels, where these were left in it.

    A deflated file is read whole, so that the length of its value shows what is missing.
    """
    element = _pixel_data(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    if element.value is not None or syntax.is_encapsulated or syntax == DeflatedExplicitVRLittleEndian:
        return False
    return element.value_tell + element.length > os.stat(path).st_size


def _pixel_data(dataset: pydicom.Dataset) -> RawDataElement:
    """The element as it lies in the file; its value is None where it was not read yet."""
    element: Any = dataset.get_item("PixelData", keep_deferred=True)  # raw, which pydicom's own types do not say
    return element


def _place(dataset: pydicom.Dataset, path: Path) -> Place | None:
    """Where the pixels lie, if every value that their layout follows from is there and as the standard has it.

    Of all other files pydicom says whether they can be read, and how.
    """
    element = dataset.get_item("PixelData", keep_deferred=True)
    syntax = dataset.file_meta.TransferSyntaxUID
    is_plain = (
        (syntax.is_encapsulated or syntax in PLAIN_SYNTAXES)
        and isinstance(element, RawDataElement)
        and element.is_little_endian
        and (element.length == UNDEFINED_LENGTH) == syntax.is_encapsulated
        and all(type(value_or_none(dataset, name)) is int for name in SIZES)
        and dataset.PixelRepresentation in (0, 1)
        and value_or_none(dataset, "PhotometricInterpretation") in GREY_SCALE
        and ("NumberOfFrames" not in dataset or value_or_none(dataset, "NumberOfFrames") == 1)
    )
    return _place_in(dataset, path) if is_plain else None


def _place_in(dataset: pydicom.Dataset, path: Path) -> Place:
    status = os.stat(path)
    return Place(_pixel_data(dataset).value_tell, status.st_size, status.st_mtime_ns)


def _open_and_decode(path: Path) -> np.ndarray:
    dataset = open_dataset(path)
    compressed = check_pixels(dataset, path)
    return _decode(dataset, stored_of(dataset, path), compressed)


def _decode(dataset: pydicom.Dataset, stored: Stored, compressed: bool) -> np.ndarray:
    try:
        decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    except NotImplementedError:
        raise UnusableFile("an encoding that no decoder knows") from None
    plugin = _plugin(decoder) if compressed else ""
    # pydicom would cut off what does not fit into BitsStored, and so fold a bright image that says too few bits
    options: dict[str, Any] = {"correct_unused_bits": compressed}  # as in _decoded
    pixels, _ = decoder.as_array(dataset, raw=True, decoding_plugin=plugin, **options)
    if pixels.shape != (dataset.Rows, dataset.Columns):
        raise UnusableFile("damaged (decoded to another size)")
    return pixels if compressed else _aligned(pixels, stored)


def _plugin(decoder: Decoder) -> str:
    plugin = next((name for name in PLUGINS if name in decoder.available_plugins), "")
    if not plugin:
        raise UnusableFile("an encoding that no decoder knows")
    return plugin


def _aligned(pixels: np.ndarray, stored: Stored) -> np.ndarray:
    """Pixels as their containers hold them -> values of BitsStored bits, whose highest lies at HighBit.

    UnusableFile where the bits beside them hold anything but a sign: the header and the data contradict each other.
    """
    bits = stored.bits
    below = stored.high_bit + 1 - bits
    above = stored.allocated - bits - below
    if below:
        if (pixels & (2**below - 1)).any():
            raise UnusableFile("HighBit contradicts the pixels")
        pixels = pixels >> below
    if not above and not below:
        return pixels
    values = (pixels << (above + below)) >> (above + below)  # of a signed type the second shift repeats the sign
    is_same = values == pixels
    without_sign = pixels == (values & (2**bits - 1))
    if not (is_same | without_sign).all():
        raise UnusableFile(f"values that need more than the {bits} bits of BitsStored")
    return values
