"""The pixels of a DICOM file: checked by the header first, then decoded, then in the file's own intensity unit."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom.pixels import get_decoder
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from tune_ks.data import child_process
from tune_ks.data.dicom.file import UnusableFile, guarded, integer, number_or_refuse, numbers, open_dataset, text
from tune_ks.data.limits import MAX_SIDE

PADDING_BYTES = 1024  # some writers pad uncompressed pixel data; more than this is not one image
PLUGINS = ("gdcm", "pydicom")  # gdcm: JPEG family; pydicom's own: RLE. Others may be installed, under other licences
GREY_SCALE = ("MONOCHROME1", "MONOCHROME2")
BITS = (8, 16, 32)


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
    _check_length(dataset, path, syntax)
    return False


def stored_pixels(dataset: pydicom.Dataset, path: Path, compressed: bool) -> np.ndarray:
    """(Rows, Columns) integers as stored. Compressed ones are decoded in a child process: native decoders can crash."""
    if not compressed or child_process.in_child:
        return _decode(dataset, compressed)
    try:
        stored = child_process.call("tune_ks.data.dicom.pixels:decode_stored", {"path": str(path)})
    except child_process.ChildDied:
        raise UnusableFile("the decoder crashed") from None
    if isinstance(stored, str):
        raise UnusableFile(stored)
    return stored


def decode_stored(report: child_process.Report, path: str) -> np.ndarray | str:
    """The stored pixels of one file, or the reason why there are none. Called in a child process."""
    try:
        return guarded(lambda: _open_and_decode(Path(path)))
    except UnusableFile as unusable:
        return unusable.reason


class Scale(NamedTuple):
    """How stored integers become intensities."""

    inverted: bool  # MONOCHROME1
    slope: float
    intercept: float
    padding: tuple[int, int] | None  # the stored values, from and to, that fill what was not measured


def scale_of(dataset: pydicom.Dataset) -> Scale:
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


def in_unit_of_file(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Stored integers -> float32 intensities: MONOCHROME1 inverted, then RescaleSlope and RescaleIntercept applied.

    Pixels of PixelPaddingValue become as dark as the darkest measured one: as they are stored they would squeeze the
    tissue into a corner of the scale.
    """
    scale = scale_of(dataset)
    image = stored.astype(np.float64)
    if scale.inverted:
        # about the range that can be stored, which is the same for a whole series
        signed = integer(dataset, "PixelRepresentation", 0) == 1
        largest = -1 if signed else 2 ** integer(dataset, "BitsStored") - 1
        image = largest - image
    with np.errstate(all="ignore"):
        image = (image * scale.slope + scale.intercept).astype(np.float32)
    if not np.isfinite(image).all():
        raise UnusableFile("values that are not finite")
    return _darkened(image, _is_padding(stored, scale.padding, integer(dataset, "BitsAllocated")))


def _padding(dataset: pydicom.Dataset) -> tuple[int, int] | None:
    first = numbers(dataset, "PixelPaddingValue", 1)
    if first is None:
        return None
    last = numbers(dataset, "PixelPaddingRangeLimit", 1) or first
    return int(min(first[0], last[0])), int(max(first[0], last[0]))


def _is_padding(stored: np.ndarray, padding: tuple[int, int] | None, bits: int) -> np.ndarray:
    """Which pixels are padding. Signed and unsigned writings of one value are the same: writers mix them up."""
    if padding is None:
        return np.zeros(stored.shape, bool)
    first, last = padding
    return (stored.astype(np.int64) - first) % 2**bits <= last - first


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


def _check_length(dataset: pydicom.Dataset, path: Path, syntax: UID) -> None:
    """UnusableFile where uncompressed pixel data is shorter or longer than one image."""
    element = dataset.get_item("PixelData", keep_deferred=True)
    left_in_file = element.value is None
    length = element.length if left_in_file else len(element.value)
    expected = integer(dataset, "Rows") * integer(dataset, "Columns") * integer(dataset, "BitsAllocated") // 8
    # a deflated file is read whole: what it lacks shows in the length of the value
    inflated = syntax == DeflatedExplicitVRLittleEndian
    ends_early = left_in_file and not inflated and element.value_tell + length > os.stat(path).st_size
    if length < expected or ends_early:
        raise UnusableFile("truncated")
    if length > expected + PADDING_BYTES:
        raise UnusableFile("pixel data longer than one image")


def _open_and_decode(path: Path) -> np.ndarray:
    dataset = open_dataset(path)
    return _decode(dataset, check_pixels(dataset, path))


def _decode(dataset: pydicom.Dataset, compressed: bool) -> np.ndarray:
    try:
        decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    except NotImplementedError:
        raise UnusableFile("an encoding that no decoder knows") from None
    plugin = ""
    if compressed:
        plugin = next((name for name in PLUGINS if name in decoder.available_plugins), "")
        if not plugin:
            raise UnusableFile("an encoding that no decoder knows")
    # pydicom would cut off what does not fit into BitsStored, and so fold a bright image that says too few bits
    stored, _ = decoder.as_array(dataset, raw=True, decoding_plugin=plugin, correct_unused_bits=compressed)
    if stored.shape != (dataset.Rows, dataset.Columns):
        raise UnusableFile("damaged (decoded to another size)")
    return stored if compressed else _aligned(stored, dataset)


def _aligned(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Pixels as their containers hold them -> values of BitsStored bits, whose highest lies at HighBit.

    UnusableFile where the bits beside them hold anything but a sign: the header and the data contradict each other.
    """
    bits = integer(dataset, "BitsStored")
    below = integer(dataset, "HighBit", bits - 1) + 1 - bits
    above = integer(dataset, "BitsAllocated") - bits - below
    if below:
        if (stored & (2**below - 1)).any():
            raise UnusableFile("HighBit contradicts the pixels")
        stored = stored >> below
    if not above and not below:
        return stored
    values = (stored << (above + below)) >> (above + below)  # of a signed type the second shift repeats the sign
    is_same = values == stored
    without_sign = stored == (values & (2**bits - 1))
    if not (is_same | without_sign).all():
        raise UnusableFile(f"values that need more than the {bits} bits of BitsStored")
    return values
