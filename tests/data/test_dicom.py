"""The DICOM reader: one canonical image whatever the maker and the encoding, or the reason why there is none."""

import dataclasses
import math
import os
import struct
import time
import warnings
from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from dicom_files import AXIAL, MAKERS, PHI, ROTATED, anatomy, by_header, read_image, write_dicom
from tune_ks.data import child_process
from tune_ks.data.dicom import pixels
from tune_ks.data.dicom.reader import read_file, read_header
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.vendors import vendor_of

SHARED = Path(__file__).parents[3] / "shared" / "data"
PIXELS = anatomy()


def reason(path, **tags):
    with pytest.raises(UnusableFile) as caught:
        read_image(write_dicom(path, **tags) if tags else path)
    return caught.value.reason


# ------------------------------------------------------------------------------------------------ orientation


def test_ge_stored_rotated_reads_like_siemens(tmp_path):
    ge = write_dicom(tmp_path / "ge", PIXELS[::-1, ::-1], "GE", ImageOrientationPatient=ROTATED)
    siemens = write_dicom(tmp_path / "siemens", PIXELS, "SIEMENS", ImageOrientationPatient=AXIAL)
    assert np.array_equal(read_image(ge), PIXELS)
    assert np.array_equal(read_image(siemens), PIXELS)
    assert np.array_equal(read_image(ge, orientation="raw"), PIXELS[::-1, ::-1])
    assert read_header(ge).orientation == "canonical"
    assert read_header(ge, orientation="raw").orientation == "raw"


@pytest.mark.parametrize("plane", [(0, 1), (1, 2), (0, 2)], ids=["axial", "sagittal", "coronal"])
def test_every_way_to_store_a_plane_gives_the_same_image(tmp_path, plane):
    """The eight symmetries of a square, all a little oblique, come out with columns along the plane's first axis."""
    anatomy_ = anatomy(12, 8)
    met = 0
    for transpose in (False, True):
        for sign in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            axes = plane[::-1] if transpose else plane
            directions = np.zeros((2, 3))
            directions[0, axes[0]], directions[1, axes[1]] = sign
            turn = np.deg2rad(12)
            third = ({0, 1, 2} - set(plane)).pop()
            oblique = np.eye(3)
            oblique[np.ix_([plane[1], third], [plane[1], third])] = [
                [np.cos(turn), -np.sin(turn)],
                [np.sin(turn), np.cos(turn)],
            ]
            stored = anatomy_.T if transpose else anatomy_
            stored = stored[:: sign[1], :: sign[0]]
            file = write_dicom(tmp_path / "x", stored, ImageOrientationPatient=(directions @ oblique).ravel().tolist())
            assert np.array_equal(read_image(file), anatomy_), (transpose, sign)
            assert (read_header(file).height, read_header(file).width) == (12, 8)
            met += 1
    assert met == 8


@pytest.mark.parametrize("cosines", [None, [1, 0, 0], [1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], [9, 0, 0, 0, 9, 0]])
def test_unusable_orientation_is_said_to_be_unknown(tmp_path, cosines):
    file = write_dicom(tmp_path / "x", PIXELS, "GE", ImageOrientationPatient=cosines)
    assert read_header(file).orientation == "unknown"
    assert np.array_equal(read_image(file), PIXELS)


def test_transposing_takes_the_acquired_width_and_the_phase_axis_along(tmp_path):
    tags = {"AcquisitionMatrix": [0, 12, 8, 0], "InPlanePhaseEncodingDirection": "ROW"}
    header = read_header(write_dicom(tmp_path / "a", **tags))
    assert (header.acquired_width, header.phase) == (12, "ROW")
    header = read_header(write_dicom(tmp_path / "b", ImageOrientationPatient=[0, 1, 0, 1, 0, 0], **tags))
    assert (header.acquired_width, header.phase) == (8, "COL")


# ------------------------------------------------------------------------------------------------ values


def test_rescale_and_monochrome1(tmp_path):
    file = write_dicom(tmp_path / "a", PIXELS, RescaleSlope=2, RescaleIntercept=-5)
    assert np.array_equal(read_image(file), PIXELS * 2.0 - 5)
    file = write_dicom(tmp_path / "b", PIXELS, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    assert np.array_equal(read_image(file), 4095.0 - PIXELS)
    signed = (PIXELS.astype(np.int16) - 500).view(np.uint16)
    assert np.array_equal(read_image(write_dicom(tmp_path / "c", signed, PixelRepresentation=1)), PIXELS - 500.0)
    file = write_dicom(tmp_path / "d", signed, PixelRepresentation=1, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(read_image(file), 499.0 - PIXELS)


def test_unequal_spacing_becomes_the_finer_one(tmp_path):
    ramp = np.tile(np.arange(16, dtype=np.uint16) * 100, (8, 1))  # varies along the row, eight rows
    file = write_dicom(tmp_path / "x", ramp, PixelSpacing=[1.0, 0.5])  # between rows, between columns
    header = read_header(file)
    image = read_image(file)
    assert image.shape == (16, 16) == (header.height, header.width)
    assert header.spacing_mm == 0.5
    assert np.allclose(image, ramp[0], atol=1e-3)
    assert image.min() >= ramp.min()
    assert image.max() <= ramp.max()


def test_header_facts_and_units(tmp_path):
    header = read_header(write_dicom(tmp_path / "x", vendor="GE", MagneticFieldStrength=15000, FlipAngle=None))
    assert dataclasses.asdict(header) | {"flip_deg": 0} == {
        "vendor": "GE", "maker": MAKERS["GE"], "model": "Model", "field_t": 1.5, "tr_ms": 5.0,
        "te_ms": 2.0, "flip_deg": 0,
        "acquired_width": 12.0, "width": 16, "height": 16, "spacing_mm": 0.5, "thickness_mm": 2.0,
        "orientation": "canonical", "scan_slices": pytest.approx(math.nan, nan_ok=True), "phase": "ROW",
        "compressed": False, "plane": "axial", "is_localizer": False, "series_hash": "", "recipe": header.recipe,
        "plan": header.plan,
    }  # fmt: skip
    assert math.isnan(header.flip_deg)


def test_nothing_that_identifies_leaves_the_reader(tmp_path):
    header = read_header(write_dicom(tmp_path / "x", phi=True))
    assert not [word for word in PHI if word in repr(header)]


@pytest.mark.parametrize(
    ("manufacturer", "vendor"),
    [
        ("GE MEDICAL SYSTEMS", "GE"),
        ("GE Healthcare", "GE"),
        ("SIEMENS", "SIEMENS"),
        ("Siemens Healthineers", "SIEMENS"),
        ("Philips Medical Systems", "PHILIPS"),
        ("Philips Medical Systems, Inc.", "PHILIPS"),
        ("Canon Medical Systems", "CANON"),
        ("MPTronic software", "MPTRONIC"),
        ("General Imaging", ""),
        ("", ""),
    ],
)
def test_vendor_names(manufacturer, vendor):
    assert vendor_of(manufacturer) == vendor


# ------------------------------------------------------------------------------------------------ unusable files


@pytest.mark.parametrize(
    ("expected", "tags"),
    [
        ("not MR (modality CT)", {"Modality": "CT"}),
        ("not MR (modality missing)", {"Modality": None}),
        ("unknown vendor (ACME)", {"Manufacturer": "ACME"}),
        ("unknown vendor (missing or unreadable)", {"Manufacturer": None}),
        ("no pixel data", {"PixelData": None}),
        ("no image size", {"Rows": None}),
        ("several frames", {"NumberOfFrames": 3}),
        ("not a grey-scale image", {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}),
        ("truncated", {"PixelData": b"\0" * 100}),
        ("pixel data longer than one image", {"PixelData": b"\0" * 4096}),
        ("absurd size (65535 x 65535 pixels, the limit is 4096 a side)", {"Rows": 65535, "Columns": 65535}),
        ("absurd size (1 x 65535 pixels, the limit is 4096 a side)", {"Rows": 1, "Columns": 65535}),
        ("absurd pixel spacing (would become 1.6e+10 x 16, the limit is 4096 a side)", {"PixelSpacing": [1e6, 1e-3]}),
        ("values that are not finite", {"RescaleSlope": "1e38"}),
    ],
)
def test_reason(tmp_path, expected, tags):
    assert reason(tmp_path / "x", **tags) == expected


def test_reason_of_what_is_no_dicom_file(tmp_path):
    (tmp_path / "text").write_text("no image here " * 50)
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    assert reason(tmp_path / "text") == "not a DICOM file"
    assert reason(tmp_path / "empty") == "empty file"
    assert reason(tmp_path / "pipe") == "not a file"  # opening it would wait for ever
    assert reason(tmp_path) == "not a file"
    assert reason(tmp_path / "absent") == "no such file"
    with pytest.raises(ValueError, match="orientation must be one of"):
        read_image(tmp_path / "text", orientation="upright")


def test_a_manufacturer_cannot_smuggle_anything_into_a_table(tmp_path):
    message = reason(tmp_path / "x", Manufacturer="A=cmd|'/C calc'!A0" + "x" * 20)
    assert message == "unknown vendor (Acmd/C calcA0" + "x" * 20 + ")"
    assert reason(tmp_path / "x", Manufacturer="SIEMENS\tNAME") == "unknown vendor (missing or unreadable)"
    assert reason(tmp_path / "x", Modality="MRNAME^SURNAME") == "not MR (another modality)"


def test_a_length_that_runs_into_the_next_element_tells_nothing_of_it(tmp_path):
    whole = write_dicom(tmp_path / "x", phi=True).read_bytes()
    at = whole.index(struct.pack("<HH2s", 8, 0x70, b"LO"))  # Manufacturer; InstitutionName comes next
    (tmp_path / "x").write_bytes(whole[: at + 6] + struct.pack("<H", 40) + whole[at + 8 :])
    assert b"PLANTEDHOSPITAL" in whole[at : at + 48]
    message = reason(tmp_path / "x")
    assert message == "unknown vendor (missing or unreadable)"


# ------------------------------------------------------------------------------------------------ encodings


def _syntaxes():
    files = sorted((SHARED / "dicom_syntaxes").glob("*.dcm"))
    if not files:
        pytest.skip("the nine encodings are not here")
    return files


def test_nine_encodings_decode_to_the_same_pixels():
    files = _syntaxes()
    assert len(files) == 9
    read = [read_file(file) for file in files]
    assert len({digest for _, _, digest in read}) == 1
    assert all(np.array_equal(image, read[0][1]) for _, image, _ in read)
    assert sum(header.compressed for header, _, _ in read) == 6


def test_only_the_decoders_that_are_depended_on_are_used():
    assert pixels.PLUGINS == ("gdcm", "pydicom")


def test_a_crashing_decoder_costs_one_file(monkeypatch):
    file = _syntaxes()[4]

    def dying(function, task):
        raise child_process.ChildDied(None)

    monkeypatch.setattr(child_process, "call", dying)
    assert reason(file) == "the decoder crashed"


def test_a_child_that_dies_is_replaced(child_work):
    with pytest.raises(child_process.ChildDied):
        child_process.call("child_work:die", {})
    assert child_process.call("child_work:double", {"value": 21}) == 42
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        child_process.call("child_work:fail", {})
    assert child_process.call("child_work:double", {"value": 4}) == 8


def test_what_the_system_refuses_a_child_is_an_error_of_the_system(child_work):
    with pytest.raises(OSError, match="No space left on device") as refused:
        child_process.call("child_work:refuse", {})
    assert (refused.value.errno, refused.value.filename) == (28, "a.dcm")
    assert child_process.call("child_work:double", {"value": 4}) == 8


def test_a_child_that_is_begun_has_its_modules_and_takes_the_next_call(child_work):
    child_process.begin_call("wave", "absent_module")
    begun = child_process._shared
    child_process.begin_call("colorsys")  # there is one
    assert child_process._shared is begun
    assert child_process.call("child_work:number_of_process", {}) == begun.process.pid
    assert child_process.call("child_work:imported", {"names": ["wave", "absent_module", "colorsys"]}) == ["wave"]


def test_children_that_are_begun_are_the_first_ones_of_the_next_pool(child_work):
    child_process.begin_pool(2, "wave")
    child_process.begin_pool(2, "wave")  # an earlier command ended before it had a pool
    begun = list(child_process._begun)
    assert len(begun) == 2
    tasks = [{"names": ["wave"]}] * 6
    with child_process.ChildPool(3) as pool:
        assert child_process._begun == []
        assert list(pool.run("child_work:imported", tasks, lambda *_: None)).count(["wave"]) >= 2
        assert [pool.children[0], pool.children[1]] == begun
    assert all(child.process.poll() is not None for child in begun)


def test_children_that_no_pool_took_end_with_the_process(child_work):
    child_process.begin_call()
    child_process.begin_pool(1)
    begun = [child_process._shared, *child_process._begun]
    child_process._close_all()
    assert len(begun) == 2
    assert all(child.process.poll() is not None for child in begun)


def test_a_dead_or_hung_child_costs_its_item_only(child_work):
    tasks = [{"values": [1, 2, 3], "bad": []}, {"values": [4, -1, 6], "bad": []}, {"values": [7, 8, -2], "bad": []}]

    def revise(task, note):
        return None if note in task["bad"] else {**task, "bad": [*task["bad"], note]}

    with child_process.ChildPool(2, silence_s=15.0) as pool:
        done = sorted(pool.run("child_work:report_values", tasks, revise))
        assert done == [[1, 2, 3], [4, None, 6], [7, 8, None]]
        at_work = {child.process.pid for child in pool.children.values()}
        assert list(pool.run("child_work:double", [{"value": 1}], revise)) == [2]  # by one that was there
        assert {child.process.pid for child in pool.children.values()} == at_work
        kept = list(pool.children.values())
    assert all(child.process.poll() is not None for child in kept)


def test_children_of_a_run_that_is_not_waited_for_are_ended(child_work):
    with child_process.ChildPool(2) as pool:
        results = pool.run(
            "child_work:report_values", [{"values": [1], "bad": []}, {"values": [-2], "bad": []}], lambda *_: None
        )
        assert next(results) == [1]
        while not (hung := [child for child in pool.children.values() if child.deadline < math.inf]):
            time.sleep(0.01)  # until the other task has been given to a child
        results.close()
        assert hung[0].process.poll() is not None
        assert not pool.children


def test_a_child_that_reads_imports_only_what_it_needs(child_work):
    assert child_process.call("tune_ks.data.dicom.pixels:decode_stored", {"path": "absent"}) == "no such file"
    packages, plugins = child_process.call("child_work:reads_dicom", {})
    assert {"numpy", "pydicom", "gdcm"} <= packages
    assert not packages & {"torch", "pandas", "scipy", *child_process.UNUSED}
    assert set(pixels.PLUGINS) & set(plugins) == {"gdcm"}


def test_a_child_prints_nothing_into_its_answers(child_work):
    assert child_process.call("child_work:noisy", {}) == "quiet"


# ------------------------------------------------------------------------------------------------ damage


def _read_or_reason(path):
    """Whatever the file: an image, or UnusableFile, and no warning that could quote it; the same by both ways."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        planned = _planned_or_none(path)
        try:
            image = read_image(path)
        except UnusableFile as unusable:
            assert planned is None
            return unusable.reason[:100]
    assert planned is None or np.array_equal(planned.image, image)
    assert image.dtype == np.float32
    assert image.ndim == 2
    assert np.isfinite(image).all()
    return "image"


def _planned_or_none(path):
    """The file as a scan reads it; None where its header or its pixels have a reason."""
    try:
        return by_header(path)
    except UnusableFile:
        return None


def test_mutated_files_give_an_image_or_a_reason(tmp_path):
    rng = np.random.default_rng(0)
    whole = [write_dicom(tmp_path / vendor, vendor=vendor, phi=True).read_bytes() for vendor in MAKERS]
    results = []
    for number in range(150):
        data = bytearray(whole[number % 3])
        kind = number % 5
        if kind == 0:
            data = data[: rng.integers(0, len(data))]
        elif kind == 1:
            start = rng.integers(132, len(data))
            del data[start : start + rng.integers(1, 60)]
        elif kind == 2:
            start = rng.integers(132, len(data))
            data[start:start] = rng.bytes(int(rng.integers(1, 60)))
        else:  # mostly in the header, which is the first 1,100 bytes
            for at in rng.integers(128, 1100, rng.integers(1, 12)):
                data[at] = rng.integers(0, 256)
        (tmp_path / "mutant").write_bytes(data)
        results.append(_read_or_reason(tmp_path / "mutant"))
    assert 10 < results.count("image") < 140
    assert len(set(results)) > 5


def test_truncated_and_mutated_copies_of_real_files(tmp_path):
    files = [*_syntaxes(), *sorted((SHARED / "dicom_vendors").glob("*/*-00001.dcm"))]
    rng = np.random.default_rng(1)
    met = 0
    for file in files:
        data = bytearray(file.read_bytes())
        for share in (0.02, 0.5, 0.9, 0.999):
            (tmp_path / "cut").write_bytes(data[: int(share * len(data))])
            assert _read_or_reason(tmp_path / "cut") != "image"
            met += 1
        for _ in range(4):  # also inside compressed streams, where decoders crash
            mutant = data.copy()
            for at in rng.integers(len(data) // 3, len(data), 20):
                mutant[at] = rng.integers(0, 256)
            (tmp_path / "mutant").write_bytes(mutant)
            _read_or_reason(tmp_path / "mutant")
            met += 1
    assert met == 8 * len(files)


def test_pydicoms_own_files_give_an_image_or_a_reason():
    files = sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))  # those that come with it
    results = [_read_or_reason(file) for file in files]
    assert len(results) > 30
    assert "image" in results
    assert any(result.startswith("not MR") for result in results)


def test_vendors_as_scanners_write_them():
    folder = SHARED / "dicom_vendors"
    if not folder.is_dir():
        pytest.skip("the vendors' files are not here")
    met = 0
    for vendor in ("GE", "SIEMENS"):
        for file in sorted((folder / vendor).glob("*.dcm"))[:3]:
            header = read_header(file)
            assert header.vendor == vendor
            assert header.field_t == 3
            assert read_image(file).shape == (header.height, header.width)
            met += 1
    assert met == 6
