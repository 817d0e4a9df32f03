"""The fingerprint covers what makes the images; older run folders go on by the one that they know."""

import dataclasses
import json
import os
import shutil

import pandas as pd
import pytest

from analysis.read.load import load
from dicom_files import ROTATED, anatomy, save_labels, write_dicom, write_duke, write_table_cohort
from tune_ks.core.run_folder import RunFolder, write_json
from tune_ks.data.cohort import fingerprint
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.dicom.reader import read_header
from tune_ks.planning.space import load_space
from tune_ks.planning.start_run import create_run, default_run, is_of_cohort, note_fingerprint, require_same


def opened(root, settings=CohortSettings(), size=8):  # noqa: B008
    return open_cohort(root, settings, size, root.parent / "cache", workers=1)


@pytest.fixture
def root(tmp_path):
    write_table_cohort(tmp_path / "data", patients=3)
    return tmp_path / "data"


HEADERS = {
    "turned": {"ImageOrientationPatient": ROTATED},
    "inverted": {"PhotometricInterpretation": "MONOCHROME1"},
    "negative": {"RescaleSlope": -1},
    "shifted": {"RescaleIntercept": 5},
    "stretched": {"PixelSpacing": [0.5, 1.0]},
    "coarser": {"PixelSpacing": [1.0, 1.0]},
    "repetition": {"RepetitionTime": 6.0},
    "echo": {"EchoTime": 2.5},
    "flip": {"FlipAngle": 12},
    "field": {"MagneticFieldStrength": 3},
    "thickness": {"SliceThickness": 3},
    "matrix": {"AcquisitionMatrix": [0, 10, 12, 0]},
    "padding": {"PixelPaddingValue": 500},
    "bits": {"BitsStored": 12, "HighBit": 11},
}


def test_every_header_value_that_makes_an_image_moves_the_fingerprint(root, tmp_path):
    before = opened(root)
    plain = {"vendor": "GE", "phi": True}
    recipes = [read_header(write_dicom(tmp_path / "x", **plain, **tags)).recipe for tags in HEADERS.values()]
    assert len({*recipes, read_header(write_dicom(tmp_path / "x", **plain)).recipe}) == 1 + len(HEADERS)
    write_dicom(root / "GE0" / "0.dcm", anatomy(seed=0), **plain, **HEADERS["turned"])
    changed = opened(root)
    assert changed.fingerprint != before.fingerprint
    assert changed.fingerprint_1 == before.fingerprint_1  # which covers the stored pixels alone
    write_dicom(root / "GE0" / "0.dcm", anatomy(seed=0), **plain, PatientAge="050Y", SeriesInstanceUID="1.2.9")
    assert opened(root).fingerprint == before.fingerprint  # nothing of the image: another export of the same scan


def test_the_fingerprint_does_not_depend_on_size_place_or_order(root, tmp_path):
    before = opened(root)
    assert opened(root, size=4).fingerprint == before.fingerprint
    shutil.copytree(root, tmp_path / "elsewhere" / "data")
    assert opened(tmp_path / "elsewhere" / "data").fingerprint == before.fingerprint
    rows = pd.read_csv(root / "labels.csv")
    rows.iloc[::-1].to_csv(root / "labels.csv", index=False)
    assert opened(root).fingerprint == before.fingerprint


def test_a_reader_that_reads_otherwise_and_files_that_only_count_in_percentiles(tmp_path, monkeypatch):
    write_duke(tmp_path / "data", patients=1, slices=20)
    before = opened(tmp_path / "data")
    near = next((tmp_path / "data").rglob("*/Breast_MRI_001/*/*/1-006.dcm"))  # left out: two slices from the box
    write_dicom(near, anatomy(seed=6), "GE", RescaleSlope=40)
    after = opened(tmp_path / "data")
    assert not before.table["high"].equals(after.table["high"])
    assert after.fingerprint != before.fingerprint
    assert after.fingerprint_1 == before.fingerprint_1
    monkeypatch.setattr(fingerprint, "VERSION", fingerprint.VERSION + 1)
    shutil.rmtree(tmp_path / "cache")
    assert opened(tmp_path / "data").fingerprint not in (before.fingerprint, after.fingerprint)


def test_a_file_that_changed_under_its_size_and_time_is_read_again(root):
    before = opened(root)
    file = root / pd.read_csv(root / "labels.csv")["path"][0]
    status = file.stat()
    data = file.read_bytes()
    file.write_bytes(data[:-2] + bytes([data[-2] ^ 1, data[-1]]))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    after = opened(root)
    assert after.images != before.images
    assert after.fingerprint != before.fingerprint


# ------------------------------------------------------------------------------------------------ run folders


@pytest.fixture
def space():
    return load_space("smoke")


def as_old(folder, cohort):
    """The run folder as a version wrote it that knew format 1 alone."""
    search = folder.read_search()
    search["cohort"]["fingerprint"] = cohort.fingerprint_1
    del search["cohort"]["fingerprint_format"]
    write_json(folder.search_json, search)


def created(root, space, cohort):
    folder = RunFolder(root)
    create_run(folder, space, cohort, 0, "command", synthetic=False)
    return folder


def test_a_new_run_folder_knows_the_format(root, tmp_path, space):
    cohort = opened(root)
    folder = created(tmp_path / "run", space, cohort)
    known = folder.read_search()["cohort"]
    assert (known["fingerprint"], known["fingerprint_format"]) == (cohort.fingerprint, 2)
    require_same(folder, cohort, 0)
    write_dicom(root / "GE0" / "0.dcm", anatomy(seed=0), "GE", phi=True, ImageOrientationPatient=ROTATED)
    turned = opened(root)
    assert not is_of_cohort(folder.read_search(), turned)
    with pytest.raises(ValueError, match=r"another cohort .* Give another --run, or --fresh"):
        require_same(folder, turned, 0)


def test_a_table_that_was_cut_short_is_refused_and_the_analysis_says_it(root, tmp_path, space):
    """Half a CSV file is one too: trials would train on half of the images."""
    cohort = opened(root)
    folder = created(tmp_path / "run", space, cohort)
    write_json(folder.trial("0" * 12, "failure.json"), {"format": 1, "reason": "none"})
    assert not [words for words in load(folder.root).warnings if "cohort.csv" in words]
    lines = folder.cohort_csv.read_text().splitlines(keepends=True)
    folder.cohort_csv.write_text("".join(lines[: len(lines) // 2]))
    with pytest.raises(ValueError, match=r"cohort.csv has \d+ rows, and the cohort \d+ images: it is damaged"):
        require_same(folder, cohort, 0)
    analysed = load(folder.root)
    assert any("it is damaged or was cut short; put the whole file back" in words for words in analysed.warnings)
    assert analysed.cohort.empty  # no number of a part of the patients


def test_images_without_a_label_are_counted_too(root, tmp_path, space):
    cohort = opened(root)
    some = cohort.table["label"].where(cohort.table["row"] % 3 > 0)
    folder = created(tmp_path / "run", space, dataclasses.replace(cohort, table=cohort.table.assign(label=some)))
    counts = folder.read_search()["cohort"]["counts"]
    assert sum(group["images"] for group in counts) == len(cohort.table)
    assert sum(group["images"] for group in counts if group["label"] is None) == some.isna().sum() > 0


def test_an_old_run_folder_goes_on_and_then_knows_the_headers(root, tmp_path, space):
    cohort = opened(root)
    folder = created(tmp_path / "run", space, cohort)
    as_old(folder, cohort)
    require_same(folder, cohort, 0)
    assert is_of_cohort(folder.read_search(), cohort)
    note_fingerprint(folder, cohort)
    known = folder.read_search()["cohort"]
    assert (known["fingerprint"], known["fingerprint_2"]) == (cohort.fingerprint_1, cohort.fingerprint)
    require_same(folder, cohort, 0)
    content = folder.search_json.read_bytes()
    note_fingerprint(folder, cohort)
    assert folder.search_json.read_bytes() == content
    turned = dataclasses.replace(cohort, fingerprint="0" * 12)  # the same pixels under other headers
    assert not is_of_cohort(folder.read_search(), turned)
    with pytest.raises(ValueError, match="the same pixels under other headers"):
        require_same(folder, turned, 0)


def test_an_old_run_folder_is_refused_where_its_table_says_other_headers(root, tmp_path, space):
    cohort = opened(root)
    folder = created(tmp_path / "run", space, cohort)
    as_old(folder, cohort)
    table = cohort.table.assign(tr_ms=cohort.table["tr_ms"].where(cohort.table["row"] > 1, 9.0))
    write_table(folder.cohort_csv, with_splits(table, 0))
    with pytest.raises(ValueError, match=r"under other headers: tr_ms of 2 of 24 images.*--fresh"):
        require_same(folder, cohort, 0)


def test_the_same_command_finds_the_folder_of_an_older_version(root, tmp_path, space):
    cohort = opened(root)
    new = default_run(tmp_path / "runs", space, cohort)
    old = default_run(tmp_path / "runs", space, dataclasses.replace(cohort, fingerprint=cohort.fingerprint_1))
    assert new != old
    created(old, space, cohort)
    assert default_run(tmp_path / "runs", space, cohort) == old
    created(new, space, cohort)
    assert default_run(tmp_path / "runs", space, cohort) == new


def test_a_site_or_a_named_vendor_is_another_cohort_and_none_is_the_same(root):
    before = opened(root)
    assert json.loads((before.images.parent / "settings.json").read_text())["settings"] == CohortSettings().facts()
    assert opened(root, CohortSettings(site="A")).fingerprint != before.fingerprint
    save_labels(root, pd.read_csv(root / "labels.csv").assign(vendor=""))
    assert opened(root).fingerprint == before.fingerprint
