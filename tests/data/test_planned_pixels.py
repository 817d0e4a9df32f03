"""A scan reads the pixels of most files without parsing them again: the same image or reason as of a whole reading."""

import itertools
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from dicom_files import AXIAL, ROTATED, by_header, write_dicom
from tune_ks.data import child_process
from tune_ks.data.dicom import reader
from tune_ks.data.dicom.reader import HeaderReader, read_file, read_header, read_planned
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.vendors import VendorNames

SCALES = [
    {},
    {"RescaleSlope": "0.37", "RescaleIntercept": "-11.5", "PhotometricInterpretation": "MONOCHROME1"},
    {"PixelPaddingValue": 3, "PixelPaddingRangeLimit": 9, "PixelSpacing": [0.5, 0.7]},
]
KINDS = {  # bits allocated, stored, high bit, signed
    "bytes": (8, 8, 7, 0),
    "twelve bits": (16, 12, 11, 0),
    "twelve bits in the upper part": (16, 12, 15, 0),
    "signed": (16, 16, 15, 1),
    "signed, of twelve bits": (16, 12, 11, 1),
    "long": (32, 32, 31, 0),
    "long and signed": (32, 20, 19, 1),
}


def written(path, kind, **tags):
    """A file of this kind, with values over the whole range of its bits."""
    allocated, bits, high, signed = KINDS[kind]
    low = -(2 ** (bits - 1)) if signed else 0
    values = np.random.default_rng(0).integers(low, low + 2**bits, (11, 9)) << (high + 1 - bits)
    content = values.astype(f"<{'ui'[signed]}{allocated // 8}").tobytes()
    content += b"\0" * (len(content) % 2)
    layout = {"BitsAllocated": allocated, "BitsStored": bits, "HighBit": high, "PixelRepresentation": signed}
    vr = {"PixelSpacing": None, **tags}
    return write_dicom(path, values, **layout, PixelData=content, **vr)


def ways(path):
    """(read whole, read by the plan of its header), each an image with its digest or a reason."""
    answers = []
    for read in (read_file, by_header):
        try:
            file = read(path)
            answers.append((file.image.tolist(), file.digest))
        except UnusableFile as unusable:
            answers.append(unusable.reason)
    return answers


@pytest.mark.parametrize("kind", KINDS)
def test_the_image_is_that_of_the_file_read_whole(tmp_path, kind):
    for number, (tags, cosines) in enumerate(itertools.product(SCALES, (AXIAL, ROTATED))):
        path = written(tmp_path / f"{number}", kind, ImageOrientationPatient=cosines, **tags)
        header = read_header(path)
        planned = read_planned(path, header)
        whole = read_file(path)
        assert planned.image.tobytes() == whole.image.tobytes()
        assert planned[0] == whole[0] == header
        assert planned.digest == whole.digest


def test_so_is_that_of_an_implicit_file_and_of_one_without_preamble(tmp_path):
    file = pydicom.dcmread(write_dicom(tmp_path / "x"))
    file.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    file.save_as(tmp_path / "implicit", implicit_vr=True, little_endian=True)
    (tmp_path / "bare").write_bytes((tmp_path / "x").read_bytes()[132:])
    for name in ("implicit", "bare"):
        assert read_planned(tmp_path / name, read_header(tmp_path / name)).image.tolist() == ways(tmp_path / "x")[0][0]


def header_or_reason(read, *args):
    try:
        return read(*args)
    except UnusableFile as unusable:
        return unusable.reason


def test_headers_of_files_that_say_the_same_are_made_once(tmp_path, monkeypatch):
    made = []
    make = reader._header
    monkeypatch.setattr(reader, "_header", lambda *args: made.append(args) or make(*args))
    tags = [
        {"PatientName": "A"},
        {"PatientName": "of another length"},  # not read, and the pixels lie elsewhere
        {"EchoTime": 4.5},
        {"RescaleSlope": 2},
        {"PixelPaddingValue": 3},
        {"SeriesInstanceUID": "1.2.3"},
        {"NumberOfFrames": 1},
        {"Manufacturer": "ACME"},  # without vendor, until it is named
    ]
    paths = [write_dicom(tmp_path / f"{number}", seed_pixels(number), **of) for number, of in enumerate(tags)]
    names = VendorNames({"ACME": "GE"})
    series = HeaderReader()
    headers = [series.read(paths[0]), series.read(paths[1])]
    assert len(made) == 1
    assert headers[0].plan.stored.place != headers[1].plan.stored.place
    for path, header in zip(paths, headers):
        assert header == read_header(path)
        assert read_planned(path, header).image.tobytes() == read_file(path).image.tobytes()
    for path in [*paths, *reversed(paths)]:
        assert header_or_reason(series.read, path) == header_or_reason(read_header, path)
    assert header_or_reason(series.read, paths[-1]) == "unknown vendor (ACME)"
    assert series.read(paths[-1], names).vendor == "GE"
    assert header_or_reason(series.read, paths[-1]) == "unknown vendor (ACME)"


def seed_pixels(seed):
    return np.random.default_rng(seed).integers(0, 4096, (64, 64))  # too many to be read with the header


def test_after_a_file_of_the_series_damaged_ones_have_the_reasons_of_any_damaged_file(tmp_path):
    whole = write_dicom(tmp_path / "whole", seed_pixels(0))
    content = bytearray(whole.read_bytes())
    rng = np.random.default_rng(0)
    mutants = [content[:-1], content[: len(content) // 2], content[:200], content + b"more", bytearray(content)]
    for _ in range(60):
        mutant = bytearray(content)
        mutant[int(rng.integers(132, len(content) - 2 * 64 * 64))] = int(rng.integers(0, 256))
        mutants.append(mutant)
    series = HeaderReader()
    answers = []
    for mutant in mutants:
        series.read(whole)
        (tmp_path / "mutant").write_bytes(mutant)
        answers.append(header_or_reason(series.read, tmp_path / "mutant"))
        assert answers[-1] == header_or_reason(read_header, tmp_path / "mutant")
    assert answers[:2] == ["truncated", "truncated"]
    assert len(set(map(str, answers))) > 10


BITS = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
RARE = {
    "no PixelRepresentation": {"PixelRepresentation": None},
    "a PixelRepresentation that is none": {"PixelRepresentation": 2},
    "two SamplesPerPixel": {"SamplesPerPixel": [1, 1]},
    "no SamplesPerPixel": {"SamplesPerPixel": None},
    "no NumberOfFrames in its tag": {"NumberOfFrames": ""},
}


@pytest.mark.parametrize("name", RARE)
def test_a_header_that_is_not_as_the_standard_has_it_is_left_to_pydicom(tmp_path, name):
    path = write_dicom(tmp_path / "x", **RARE[name])
    assert read_planned(path, read_header(path)) is None
    whole, planned = ways(path)
    assert whole == planned


def test_pixels_that_contradict_their_bits_have_the_same_reason(tmp_path):
    bright = np.full((8, 8), 4097)
    low_bits = np.arange(64).reshape(8, 8)
    reasons = []
    for number, (pixels, high) in enumerate([(bright, 11), (low_bits, 15)]):
        whole, planned = ways(write_dicom(tmp_path / f"{number}", pixels, **(BITS | {"HighBit": high})))
        assert whole == planned
        reasons.append(whole)
    assert reasons == ["values that need more than the 12 bits of BitsStored", "HighBit contradicts the pixels"]


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_rare_encodings_are_left_to_pydicom(tmp_path, syntax):
    file = pydicom.dcmread(write_dicom(tmp_path / "x"))
    expected = file.pixel_array.astype(np.float32)
    if not syntax.is_little_endian:
        file.PixelData = file.pixel_array.astype(">u2").tobytes()
    file.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(tmp_path / "y", file, enforce_file_format=True)
    assert read_planned(tmp_path / "y", read_header(tmp_path / "y")) is None
    assert np.array_equal(by_header(tmp_path / "y").image, expected)


def compressed_files(folder):
    """Written here, and the nine encodings where they are."""
    file = pydicom.dcmread(write_dicom(folder / "x", np.arange(256).reshape(16, 16), BitsStored=9, HighBit=8))
    file.compress(RLELossless)
    file.save_as(folder / "rle")
    syntaxes = Path(__file__).parents[3] / "shared" / "data" / "dicom_syntaxes"
    return [folder / "rle", *(path for path in sorted(syntaxes.glob("*.dcm")) if read_header(path).compressed)]


def test_compressed_pixels_are_decoded_without_parsing_in_a_child_only(tmp_path, monkeypatch):
    files = compressed_files(tmp_path)
    assert len(files) in (1, 7)
    for path in files:
        header = read_header(path)
        assert read_planned(path, header) is None
        with monkeypatch.context() as patched:
            patched.setattr(child_process, "in_child", True)
            planned = read_planned(path, header)
            whole = read_file(path)
        assert planned.image.tobytes() == whole.image.tobytes()
        assert planned.digest == whole.digest


def test_of_a_damaged_stream_pydicom_says_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(child_process, "in_child", True)
    path = compressed_files(tmp_path)[0]
    content = path.read_bytes()
    at = content.rindex(b"\xfe\xff\x00\xe0") + 8  # the first bytes of the last fragment: the number of its segments
    path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    assert read_planned(path, read_header(path)) is None
    whole, planned = ways(path)
    assert whole == planned
    assert whole.startswith("damaged")


def test_a_file_that_changed_since_is_read_whole(tmp_path):
    path = write_dicom(tmp_path / "x")
    header = read_header(path)
    assert read_planned(path, header) is not None
    before = path.stat()
    write_dicom(path, np.arange(256).reshape(16, 16), ImageComments="longer")
    assert read_planned(path, header) is None
    write_dicom(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert read_planned(path, header) is None
    assert header.plan.stored.place.offset + 512 <= before.st_size


def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path):
    path = write_dicom(tmp_path / "x")
    header = read_header(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UnusableFile, match="not a file"):
        read_planned(path, header)
