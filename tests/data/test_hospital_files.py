"""Files as hospitals hand them over: makers, unreadable numbers, paddings, small images, mixed series, doubtful ids."""

import json

import numpy as np
import pandas as pd
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_files import ROTATED, anatomy, read_image, save_labels, write_dicom, write_table_cohort
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.doubts import doubts
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.dicom.reader import read_header
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.vendors import named_vendor, vendor_of

PIXELS = anatomy()


def opened(root, settings=CohortSettings(), size=8, **options):  # noqa: B008
    return open_cohort(root, settings, size, root.parent / "cache", workers=1, **options)


def reason(path):
    with pytest.raises(UnusableFile) as caught:
        read_image(path)
    return caught.value.reason


def with_text(path, keyword, text, **tags):
    """A file whose number ``keyword`` holds a text that pydicom would not write: its own digits are replaced."""
    mark = "7.7777777"[: len(text)].ljust(len(text), "7")
    write_dicom(path, PIXELS, **{keyword: mark, **tags})
    data = path.read_bytes()
    assert data.count(mark.encode()) == 1
    path.write_bytes(data.replace(mark.encode(), text.encode()))
    return path


# ------------------------------------------------------------------------------------------------ makers


@pytest.mark.parametrize(
    ("manufacturer", "vendor"),
    [
        ("CANON_MEC", "CANON"),
        ("GE_MEDICAL_SYSTEMS", "GE"),
        ("GEHC", "GE"),
        ("GEMS", "GE"),
        ("G.E. Medical Systems", "GE"),
        ("GE HealthCare", "GE"),
        ("TOSHIBA_MEC_US", "TOSHIBA"),
        ("Neusoft Medical Systems", "NEUSOFT"),
        ("Imaging GEneral", ""),
        ("page systems", ""),
    ],
)
def test_makers_as_they_are_written(manufacturer, vendor):
    assert vendor_of(manufacturer) == vendor
    if vendor:
        assert named_vendor(manufacturer) == vendor


def test_a_maker_that_the_file_does_not_name(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=1)
    for row in rows:
        of_ge = row["patient_id"] == "GE0"
        write_dicom(tmp_path / "data" / row["path"], anatomy(seed=1), Manufacturer=None if of_ge else "ACME")
    with pytest.raises(InputError, match=r"4 files \(unknown vendor \(ACME\)\).*--vendor-of 'MAKER=VENDOR'"):
        opened(tmp_path / "data")
    settings = CohortSettings(vendor_of={"": "GE", "acme": "SIEMENS"})
    by_option = opened(tmp_path / "data", settings)
    assert by_option.table["vendor"].tolist() == ["GE"] * 4 + ["SIEMENS"] * 4
    assert by_option.notes == ()
    mistyped = opened(tmp_path / "data", CohortSettings(vendor_of={**settings.vendor_of, "acne": "SIEMENS"}))
    assert mistyped.notes == (
        "--vendor-of 'acne=SIEMENS': no file that can be read has the maker 'acne'; the makers are none, 'ACME'",
    )
    save_labels(
        tmp_path / "data", [{**row, "vendor": "ge" if row["patient_id"] == "GE0" else "site b"} for row in rows]
    )
    by_column = opened(tmp_path / "data")
    assert by_column.table["vendor"].tolist() == ["GE"] * 4 + ["SITE_B"] * 4
    assert by_column.skipped.empty


def test_a_vendor_column_against_the_file(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=1)
    rows[0]["vendor"] = "Siemens Healthineers"  # the file says GE
    rows[1]["vendor"] = "our scanner"  # of the user's own making: the file's maker goes before it
    save_labels(tmp_path / "data", rows)
    cohort = opened(tmp_path / "data")
    assert cohort.skipped.values.tolist() == [[rows[0]["path"], "the sheet says SIEMENS, the file says GE"]]
    assert cohort.table["vendor"].tolist() == ["GE"] * 3 + ["SIEMENS"] * 4
    rows[1]["vendor"] = "a name, far too long to be the name of any vendor"
    save_labels(tmp_path / "data", rows)
    with pytest.raises(InputError, match="line 3: a vendor's name is 1 to 20 letters"):
        opened(tmp_path / "data")


def test_columns_that_are_not_used_are_named(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=1, age=lambda row: 50, **{"Jane Doe": lambda row: 1})
    (note,) = opened(tmp_path / "data").notes
    assert "not used: the column 'age', number 6; used are path, patient_id" in note
    assert len(rows) == 8
    (again,) = opened(tmp_path / "data").notes  # from the cache
    assert again == note


# ------------------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize(("text", "slope"), [("2,5", 2.5), ("-0,5", -0.5), ("2.5", 2.5), (" 3", 3.0), ("1,5E1", 15.0)])
def test_a_decimal_comma_is_read(tmp_path, text, slope):
    file = with_text(tmp_path / "x", "RescaleSlope", text)
    assert np.allclose(read_image(file), PIXELS * slope)


@pytest.mark.parametrize("text", ["1,234,567", "1.234,5", "one", "0x10", "nan"])
def test_a_number_that_cannot_be_read_is_not_1(tmp_path, text):
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        assert reason(with_text(tmp_path / "x", keyword, text)) == f"{keyword} cannot be read"


def test_an_empty_or_zero_slope_is_named(tmp_path):
    assert reason(write_dicom(tmp_path / "x", RescaleSlope="")) == "RescaleSlope is empty"
    assert reason(write_dicom(tmp_path / "x", RescaleSlope=0)) == "RescaleSlope is 0"
    assert np.array_equal(read_image(write_dicom(tmp_path / "x", PIXELS, RescaleSlope=None)), PIXELS)


def test_spacing_with_commas_and_without_sense(tmp_path):
    file = write_dicom(tmp_path / "x", PIXELS, PixelSpacing=[7.77, 8.88])
    file.write_bytes(file.read_bytes().replace(b"7.77\\8.88", b"1,25\\2,50"))
    header = read_header(file)
    assert (header.height, header.width, header.spacing_mm) == (16, 32, 1.25)
    for spacing in ([0, 0], [-1, 1], [1, 1, 1]):
        assert reason(write_dicom(tmp_path / "x", PixelSpacing=spacing)) == "PixelSpacing cannot be read"
    for spacing in (None, []):
        assert np.isnan(read_header(write_dicom(tmp_path / "x", PixelSpacing=spacing)).spacing_mm)


@pytest.mark.parametrize(("stored", "given"), [(-32768, -32768), (-2000, -2000), (32767, 32767)])
def test_padding_becomes_as_dark_as_the_darkest_tissue(tmp_path, stored, given):
    signed = PIXELS.astype(np.int16)
    signed[:4] = stored
    tags = {"PixelRepresentation": 1, "PixelPaddingValue": given}
    image = read_image(write_dicom(tmp_path / "x", signed.view(np.uint16), **tags))
    expected = PIXELS.astype(float)
    expected[:4] = PIXELS[4:].min()
    assert np.array_equal(image, expected)
    without = read_image(write_dicom(tmp_path / "y", signed.view(np.uint16), PixelRepresentation=1))
    assert np.array_equal(without, signed)


def test_a_padding_of_0_stays_and_a_range_is_all_padding(tmp_path):
    pixels = PIXELS.copy()
    pixels[0] = 0
    assert np.array_equal(read_image(write_dicom(tmp_path / "x", pixels, PixelPaddingValue=0)), pixels)
    pixels[0] = [60_000, 60_005] * 8
    file = write_dicom(tmp_path / "y", pixels, PixelPaddingValue=60_010, PixelPaddingRangeLimit=60_000)
    assert (read_image(file)[0] == PIXELS[1:].min()).all()
    inverted = write_dicom(
        tmp_path / "z", PIXELS, PixelPaddingValue=int(PIXELS.min()), PhotometricInterpretation="MONOCHROME1"
    )
    assert read_image(inverted).max() < 65535 - PIXELS.min()  # the padding was the brightest there


def test_bits_that_contradict_the_data_are_named(tmp_path):
    twelve = {"BitsStored": 12, "HighBit": 11}
    assert np.array_equal(read_image(write_dicom(tmp_path / "x", PIXELS, **twelve)), PIXELS)
    bright = PIXELS * 60
    assert bright.max() > 4095
    assert (
        reason(write_dicom(tmp_path / "x", bright, **twelve)) == "values that need more than the 12 bits of BitsStored"
    )
    negative = (PIXELS.astype(np.int16) - 500).view(np.uint16)
    for written in (negative, negative & 0x0FFF):  # the sign repeated above bit 11, or not
        image = read_image(write_dicom(tmp_path / "x", written, PixelRepresentation=1, **twelve))
        assert np.array_equal(image, PIXELS - 500.0)
    for tags in ({"BitsStored": 17}, {"BitsStored": 0}, {"BitsStored": None}):
        assert reason(write_dicom(tmp_path / "x", **tags)) == "BitsStored contradicts BitsAllocated"
    for high in (10, 16):
        assert reason(write_dicom(tmp_path / "x", BitsStored=12, HighBit=high)) == "HighBit contradicts BitsStored"


def test_values_at_the_upper_end_of_their_container(tmp_path):
    left = {"BitsStored": 12, "HighBit": 15}
    assert np.array_equal(read_image(write_dicom(tmp_path / "x", PIXELS * 16, **left)), PIXELS)
    assert reason(write_dicom(tmp_path / "x", PIXELS, **left)) == "HighBit contradicts the pixels"
    file = write_dicom(tmp_path / "y", PIXELS * 16, PhotometricInterpretation="MONOCHROME1", **left)
    assert np.array_equal(read_image(file), 4095.0 - PIXELS)


def group(**sequences):
    """An item of a functional group: sequence -> its tags."""
    item = Dataset()
    for name, tags in sequences.items():
        inner = Dataset()
        for keyword, value in tags.items():
            setattr(inner, keyword, value)
        setattr(item, name, Sequence([inner]))
    return Sequence([item])


def test_one_frame_of_enhanced_mr_has_its_values_in_groups(tmp_path):
    shared = group(
        PixelMeasuresSequence={"PixelSpacing": [1.0, 0.5], "SliceThickness": 3.0},
        MRTimingAndRelatedParametersSequence={"RepetitionTime": 6.5, "FlipAngle": 12},
        MREchoSequence={"EffectiveEchoTime": 2.5},
    )
    frame = group(
        PlaneOrientationSequence={"ImageOrientationPatient": ROTATED},
        PixelValueTransformationSequence={"RescaleSlope": 2, "RescaleIntercept": -5},
    )
    absent = ("PixelSpacing", "SliceThickness", "RepetitionTime", "FlipAngle", "EchoTime", "ImageOrientationPatient")
    tags = dict.fromkeys(absent) | {"NumberOfFrames": 1}
    groups = {"SharedFunctionalGroupsSequence": shared, "PerFrameFunctionalGroupsSequence": frame}
    stored = np.tile(PIXELS[:, :1], (1, 16))  # the same along a row, so that resampling rows is not seen
    file = write_dicom(tmp_path / "x", PIXELS, **tags, **groups)
    header = read_header(file)
    assert (header.spacing_mm, header.height, header.width) == (0.5, 32, 16)
    assert (header.tr_ms, header.te_ms, header.flip_deg, header.thickness_mm) == (6.5, 2.5, 12, 3)
    assert header.orientation == "canonical"
    shared[0].PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.5]
    file = write_dicom(tmp_path / "y", stored, **tags, **groups)
    assert np.array_equal(read_image(file), stored[::-1, ::-1] * 2.0 - 5)
    shared[0].PixelMeasuresSequence[0].add_new(0x00091010, "LT", "x" * 6000)  # longer than what headers are read of
    assert read_header(write_dicom(tmp_path / "z", stored, **tags, **groups)).spacing_mm == 0.5


# ------------------------------------------------------------------------------------------------ sizes and series


def test_one_small_image_decides_for_nothing(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=2, side=64)
    write_dicom(tmp_path / "data" / rows[0]["path"], anatomy(8, 8), "GE")
    for size in (32, 64):
        cohort = opened(tmp_path / "data", size=size)
        assert cohort.image_side == size
        assert cohort.skipped.values.tolist() == [[rows[0]["path"], "far smaller than the vendor's other images"]]
    write_dicom(tmp_path / "data" / rows[0]["path"], anatomy(40, 40), "GE")  # no stranger: it counts, and is named
    cohort = opened(tmp_path / "data", size=64)
    assert cohort.image_side == 40
    (note,) = cohort.notes
    assert note.startswith("64 pixels a side were asked for, and all images are sampled at 40")
    assert rows[0]["path"] in note
    exact = opened(tmp_path / "data", size=64, exact_size=True)  # for models that were trained at 64
    assert exact.image_side == 64
    assert exact.skipped.values.tolist() == [[rows[0]["path"], "smaller than the models' 64 pixels"]]
    assert not exact.notes


def test_sizes_that_many_images_have_are_no_strangers(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=2, side=64)
    for row in rows[:4]:  # half of GE's
        write_dicom(tmp_path / "data" / row["path"], anatomy(16, 16), "GE")
    cohort = opened(tmp_path / "data", size=64)
    assert cohort.image_side == 16
    assert len(cohort.table) == 16


def test_a_raw_export_keeps_series_planes_and_localizers_apart(tmp_path):
    patient = tmp_path / "data" / "p"
    sagittal = [0, 1, 0, 0, 0, -1]
    for i in range(4):
        write_dicom(patient / f"a{i}.dcm", anatomy(seed=i), SeriesInstanceUID="1.2.1")
        write_dicom(patient / f"b{i}.dcm", anatomy(seed=i) * 30, SeriesInstanceUID="1.2.2")
    write_dicom(patient / "c.dcm", anatomy(seed=9) * 5, SeriesInstanceUID="1.2.2", ImageOrientationPatient=sagittal)
    write_dicom(patient / "scout.dcm", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesInstanceUID="1.2.1")
    cohort = opened(tmp_path / "data", labels_required=False)
    assert cohort.skipped.values.tolist() == [["p/scout.dcm", "a localizer (ImageType)"]]
    table = cohort.table.assign(series=[path[2] for path in cohort.table["path"]])
    assert table.groupby("series")["high"].nunique().tolist() == [1, 1, 1]  # of each its own scale
    assert table["high"].nunique() == 3
    images = np.load(cohort.images)
    assert np.allclose(images[:4], images[4:8], atol=1e-5)
    assert cohort.notes == (
        "images of several planes (8 axial, 1 sagittal): a network knows the planes that it was trained on",
    )
    assert "1.2." not in cohort.images.with_name("table.csv").read_text()
    save_labels(tmp_path / "data", [{"path": "p", "patient_id": "p", "label": ""}])  # a row of a folder chooses no file
    of_folder = opened(tmp_path / "data", labels_required=False)
    assert of_folder.skipped.values.tolist() == cohort.skipped.values.tolist()
    assert of_folder.table["high"].tolist() == cohort.table["high"].tolist()
    save_labels(tmp_path / "data", [{"path": "p/scout.dcm", "patient_id": "p", "label": ""}])  # this one does
    assert opened(tmp_path / "data", labels_required=False).skipped.empty


# ------------------------------------------------------------------------------------------------ who is who


def test_sites_that_count_their_patients_alike(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=2)
    for row in rows:
        row["patient_id"] = row["patient_id"][-1]
    save_labels(tmp_path / "data", rows)
    cohort = opened(tmp_path / "data")
    (doubt,) = doubts(cohort.table)
    assert doubt.startswith("2 patients (for example 0) have images of several vendors")
    with_sites = [{**row, "site": "A" if row["path"].startswith("GE") else "B"} for row in rows]
    with_sites = [{**row, "split": "train" if row["site"] == "A" else "val"} for row in with_sites]
    save_labels(tmp_path / "data", with_sites)
    cohort = opened(tmp_path / "data")
    assert set(cohort.table["patient_id"]) == {"A_0", "A_1", "B_0", "B_1"}
    assert not doubts(cohort.table)
    assert set(opened(tmp_path / "data", CohortSettings(site="C")).table["patient_id"]) == {
        f"C_{name}" for name in ("A_0", "A_1", "B_0", "B_1")
    }
    clash = [
        {**row, "site": "A_1" if number else "A", "patient_id": "1" if number else "1_1"}
        for number, row in enumerate(rows)
    ]
    save_labels(tmp_path / "data", clash)
    with pytest.raises(InputError, match="give two patients one id"):
        opened(tmp_path / "data")


def test_doubtful_ids_and_shared_pixels():
    table = pd.DataFrame(
        {
            "patient_id": ["001", "1", "A7", "B7"],
            "vendor": "GE",
            "path": ["a", "b", "c", "d"],
            "digest": ["x", "y", "z", "z"],
            "height": 16,
            "width": 16,
        }
    )
    ids, pixels = doubts(table)
    assert "'001' and '1' differ in zeros or letter case alone (1 such cases)" in ids
    assert "2 images have the same pixels as an image of another patient (c and d, for example)" in pixels
    assert not doubts(table.iloc[[0, 2]])


# ------------------------------------------------------------------------------------------------ the command line


def test_the_options_reach_the_settings(tmp_path, capsys):
    from tune_ks.commands.about_cohort import say_cohort
    from tune_ks.commands.arguments import search_parser
    from tune_ks.commands.search_data import given_settings

    words = ["--vendor-of", "ACME=ge medical", "--vendor-of", "=siemens", "--site", "A", "--intensity", "image"]
    settings = CohortSettings(**given_settings(search_parser().parse_args(words)))
    assert settings == CohortSettings(intensity="image", site="A", vendor_of={"ACME": "GE", "": "SIEMENS"})
    assert CohortSettings(**json.loads(json.dumps(settings.facts()))) == settings
    assert set(CohortSettings().facts()) == {"series", "intensity", "orientation", "negatives"}
    for wrong in (["--vendor-of", "GE"], ["--vendor-of", "x="], ["--site", "../a"]):
        with pytest.raises(ValueError):
            given_settings(search_parser().parse_args(wrong))
    write_table_cohort(tmp_path / "data", patients=1, age=lambda row: 1)
    say_cohort([opened(tmp_path / "data")])
    assert "warning: labels.csv: not used: the column 'age'" in capsys.readouterr().out
