"""Folder and sheets to one table: the label rule, the sheets' quirks, the cache, the split, and every bad input."""

import builtins
import io
import json
import os
import shutil
import socket
import time
from collections import Counter
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from dicom_files import (
    BOXES,
    CLINICAL,
    MAPPING,
    PHI,
    ROTATED,
    anatomy,
    read_image,
    save_labels,
    save_sheet,
    write_dicom,
    write_table_cohort,
)
from tune_ks.core.metrics import auc
from tune_ks.data import child_process
from tune_ks.data.cohort import cache_texts, dicom_files, prepare, prepare_dicom
from tune_ks.data.cohort import cohort as cohort_module
from tune_ks.data.cohort.asking import Asking, without_crashed
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS, read_table, split_patients, write_table
from tune_ks.data.layouts import detect as layouts
from tune_ks.data.layouts import duke
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.limits import MAX_FILE_BYTES
from tune_ks.data.phantom.settings import PhantomSettings
from tune_ks.data.phantom.write import write_phantom
from tune_ks.data.whole_folder import OWNER

SHARED = Path(__file__).parents[3] / "shared" / "data"
PLAIN = CohortSettings()


def read(root, cache=None, settings=PLAIN, size=8, **options):
    return open_cohort(Path(root), settings, size, cache or Path(root).parent / "cache", workers=2, **options)


def error(root, **options):
    with pytest.raises(InputError) as caught:
        read(root, **options)
    cache = Path(root).parent / "cache"
    assert not cache.exists() or not any(cache.iterdir()), "a folder that cannot be used left something in the cache"
    return str(caught.value)


# ------------------------------------------------------------------------------------------------ the table


def test_table_and_images_belong_together(tmp_path):
    rows = write_table_cohort(tmp_path / "data")
    cohort = read(tmp_path / "data")
    table = cohort.table
    images = np.load(cohort.images, mmap_mode="r")
    assert tuple(table.columns) == COLUMNS
    assert table["row"].tolist() == list(range(len(rows)))
    assert table["label"].dtype == int
    assert table.set_index("path")["label"].to_dict() == {row["path"]: row["label"] for row in rows}
    assert np.allclose(table["mean"], images.mean(axis=(1, 2)))
    assert np.allclose(table["p75"], np.percentile(images, 75, axis=(1, 2)))
    assert np.allclose(table["p90"], np.percentile(images, 90, axis=(1, 2)))
    assert (table["spacing_mm"] == 1.0).all()  # 0.5 mm, 16 pixels shrunk to 8
    assert (table["width"] == 16).all()
    assert (table["split"] == "").all()


def test_images_fill_the_range_from_0_to_1(tmp_path):
    rows = write_table_cohort(tmp_path / "data")
    cohort = read(tmp_path / "data")
    images = np.load(cohort.images, mmap_mode="r")
    assert images.shape == (len(rows), 8, 8)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() == 1
    assert cohort.skipped.empty
    assert len(cohort.fingerprint) == 12


def test_percentiles_are_of_the_series_or_of_the_image(tmp_path):
    write_table_cohort(tmp_path / "data")
    canonical = {path: prepare.crop_kspace(read_image(tmp_path / "data" / path), 8) for path in files(tmp_path)}
    for intensity in ("series", "image"):
        cohort = read(tmp_path / "data", settings=CohortSettings(intensity=intensity))
        images = np.load(cohort.images)
        for row in cohort.table.itertuples():
            mates = [row.path] if intensity == "image" else [p for p in canonical if p.startswith(row.patient_id + "/")]
            low, high = np.percentile([canonical[path] for path in mates], (1, 99))
            assert (row.low, row.high) == pytest.approx((low, high))
            assert np.allclose(images[row.row], np.clip((canonical[row.path] - low) / (high - low), 0, 1), atol=1e-6)


def files(tmp_path):
    return pd.read_csv(tmp_path / "data" / "labels.csv")["path"].tolist()


def test_in_children_and_in_this_process_alike(tmp_path, monkeypatch):
    write_table_cohort(tmp_path / "data")
    here = read(tmp_path / "data")
    monkeypatch.setattr(dicom_files, "LOCAL_FILES", 0)
    there = read(tmp_path / "data", tmp_path / "other")
    pd.testing.assert_frame_equal(here.table, there.table)
    assert here.images.read_bytes() == there.images.read_bytes()
    assert here.fingerprint == there.fingerprint


def test_a_survey_says_the_same_in_this_process_and_in_children(tmp_path, monkeypatch):
    write_table_cohort(tmp_path / "data")
    layout = layouts.detect(tmp_path / "data", labels_required=True)
    with monkeypatch.context() as patched:
        patched.setattr(child_process, "Child", lambda *_: pytest.fail("a child was started"))
        here = cohort_module.survey_cohort(layout, PLAIN, 8, workers=1)
    monkeypatch.setattr(dicom_files, "LOCAL_FILES", 0)
    there = cohort_module.survey_cohort(layout, PLAIN, 8, workers=1)
    pd.testing.assert_frame_equal(here.table, there.table)
    assert len(here.table) == 32


def test_what_must_not_be_opened_is_refused_where_headers_are_read_in_this_process(tmp_path, monkeypatch):
    """Nothing here could end a read that waits for a pipe, a device or a file without end."""
    root = tmp_path / "data"
    write_table_cohort(root)
    paths = pd.read_csv(root / "labels.csv")["path"].tolist()[:4]
    for path in paths:
        (root / path).unlink()
    os.mkfifo(root / paths[0])
    (root / paths[1]).symlink_to(Path(paths[0]).name)  # in the same folder: a link to the pipe
    (root / paths[2]).touch()
    os.truncate(root / paths[2], MAX_FILE_BYTES + 1)  # a hole: takes no disk
    (root / paths[3]).symlink_to(Path(paths[3]).name)  # a link to itself
    monkeypatch.setattr(child_process, "Child", lambda *_: pytest.fail("a child was started"))
    layout = layouts.detect(root, labels_required=True)
    skipped = cohort_module.survey_cohort(layout, PLAIN, 8, workers=1).skipped
    reasons = dict(zip(skipped["path"], skipped["reason"], strict=True))
    assert reasons.pop(paths[2]).startswith("too large for one image")
    assert [reasons.pop(path) for path in paths[:2]] == ["not a file"] * 2
    assert list(reasons) == [paths[3]]
    (root / paths[1]).unlink()
    (root / paths[1]).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="leaves the folder"):
        cohort_module.survey_cohort(layout, PLAIN, 8, workers=1)


def test_there_is_a_child_for_every_core_that_may_be_used(tmp_path, monkeypatch):
    asked = []

    class Pool(child_process.ChildPool):
        def __init__(self, workers):
            asked.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(cohort_module, "ChildPool", Pool)
    monkeypatch.setattr(cohort_module, "usable_cores", lambda: 5)
    write_table_cohort(tmp_path / "data", patients=1)
    open_cohort(tmp_path / "data", PLAIN, 8, tmp_path / "cache")
    assert asked == [5]


def test_orientation_is_canonical_or_raw(tmp_path):
    pixels = anatomy(8, 8)
    rows = []
    for vendor, cosines, stored in (("GE", ROTATED, pixels[::-1, ::-1]), ("SIEMENS", None, pixels)):
        for label in (0, 1):
            path = f"{vendor}/{label}.dcm"
            write_dicom(tmp_path / "data" / path, stored, vendor, ImageOrientationPatient=cosines)
            rows.append({"path": path, "patient_id": vendor, "label": label})
    save_labels(tmp_path / "data", rows)
    cohort = read(tmp_path / "data")
    images = np.load(cohort.images)
    assert np.array_equal(images[0], images[2])
    assert cohort.table["orientation"].tolist() == ["canonical"] * 2 + ["unknown"] * 2
    raw = read(tmp_path / "data", settings=CohortSettings(orientation="raw"))
    assert np.array_equal(np.load(raw.images)[0], images[0][::-1, ::-1])
    assert set(raw.table["orientation"]) == {"raw"}


def test_never_enlarged_and_padded_to_a_square(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=1)
    write_dicom(tmp_path / "data" / rows[0]["path"], anatomy(6, 12), "GE")
    cohort = read(tmp_path / "data", size=256)
    assert cohort.image_side == 12
    assert np.load(cohort.images).shape[1:] == (12, 12)
    first = np.load(cohort.images)[0]
    assert not first[:3].any()
    assert not first[9:].any()
    assert cohort.table.loc[0, ["height", "width"]].tolist() == [6, 12]


def test_crop_of_kspace_keeps_the_mean_and_low_frequencies():
    rng = np.random.default_rng(0)
    for size, side in ((16, 8), (15, 8), (16, 7), (33, 12), (8, 8)):
        image = rng.random((size, size)).astype(np.float32) + 2
        small = prepare.crop_kspace(image, side)
        assert small.shape == (side, side)
        assert small.dtype == np.float32
        assert small.mean() == pytest.approx(image.mean(), rel=2e-3)  # the magnitude of nearly positive values
    x = np.arange(32) / 32
    wave = (2 + np.cos(2 * np.pi * 3 * x))[None, :] + np.zeros((32, 1))
    assert np.allclose(prepare.crop_kspace(wave, 16), wave[::2, ::2], atol=1e-6)
    with pytest.raises(ValueError, match="cannot be enlarged"):
        prepare.crop_kspace(wave, 64)


def test_percentiles_of_a_long_series_come_from_a_subset(tmp_path, monkeypatch):
    write_table_cohort(tmp_path / "data")
    exact = read(tmp_path / "data", settings=PLAIN).table
    monkeypatch.setattr(prepare, "MAX_VALUES", 100)
    near = read(tmp_path / "data", tmp_path / "other").table
    assert not exact["high"].equals(near["high"])
    assert np.allclose(exact["high"], near["high"], rtol=0.2)


def test_progress_ends_where_it_said(tmp_path):
    write_table_cohort(tmp_path / "data")
    reported = {}
    read(tmp_path / "data", progress=lambda stage, done, total: reported.update({stage: (done, total)}))
    assert reported == {"files": (1, 1), "sheets": (1, 1), "headers": (32, 32), "images": (32, 32)}


# ------------------------------------------------------------------------------------------------ Duke


@pytest.mark.parametrize(("number", "label"), [(5, 0), (6, -1), (9, -1), (10, 1), (19, 1), (20, -1), (25, -1), (26, 0)])
def test_label_rule_to_the_slice(number, label):
    """Positive: start <= n < end. Negative: n + 5 <= start or n - 5 > end. Here start 10, end 20."""
    assert duke.duke_label(number, 10, 20) == label


def test_label_rule_against_its_definition_on_the_real_boxes():
    sheet = SHARED / "duke_sheets" / BOXES
    if not sheet.exists():
        pytest.skip("Duke's sheets are not here")
    frame = pd.read_excel(sheet)
    assert duke._read_boxes(sheet) == {
        row["Patient ID"]: (row["Start Slice"], row["End Slice"]) for row in frame.to_dict("records")
    }
    met = {1: 0, 0: 0, -1: 0}
    for start, end in frame[["Start Slice", "End Slice"]].to_numpy():
        for number in range(1, 201):
            label = duke.duke_label(number, start, end)
            positive = start <= number < end
            negative = number + 5 <= start or number - 5 > end
            assert label == (1 if positive else 0 if negative else -1)
            met[label] += 1
    assert len(frame) == 922
    assert min(met.values()) > 5000


def test_real_clinical_sheet_three_header_rows_and_csv_exports(tmp_path):
    sheet = SHARED / "duke_sheets" / CLINICAL
    if not sheet.exists():
        pytest.skip("Duke's sheets are not here")
    vendors = duke._read_vendors(sheet)
    assert pd.Series(vendors).value_counts().to_dict() == {"GE": 628, "SIEMENS": 294}
    rows = list(openpyxl.load_workbook(sheet, read_only=True)["Data"].iter_rows(values_only=True))
    for name, kept in (("one", rows[1:2] + rows[3:]), ("three", rows)):
        pd.DataFrame(kept).to_csv(tmp_path / f"{name}.csv", header=False, index=False)
        assert duke._read_vendors(tmp_path / f"{name}.csv") == vendors


def test_duke_whatever_the_form_of_folders_sheets_and_padding(tmp_path, copy_duke):
    forms = [("classic", "{:03d}", False), ("descriptive", "{:02d}", True), ("classic", "{}", True)]
    tables = []
    for number, (folders, padding, csv) in enumerate(forms):
        copy_duke(tmp_path / str(number), folders, padding, csv=csv)
        cohort = read(tmp_path / str(number))
        assert cohort.skipped.empty
        assert cohort.left_out == {"less than 5 slices from the tumour's box": 6 * 10}
        tables.append(cohort.table)
    first = tables[0]
    assert first["vendor"].value_counts().to_dict() == {"GE": 42, "SIEMENS": 42}
    of_one = first[first["patient_id"] == "Breast_MRI_001"].set_index("slice")["label"]
    assert of_one[of_one == 1].index.tolist() == [8, 9, 10, 11]
    assert of_one[of_one == 0].index.tolist() == [1, 2, 3, *range(18, 25)]
    assert np.allclose(first["position"], first["slice"] / 24)
    for other in tables[1:]:
        key = ["patient_id", "slice"]
        same = ["label", "vendor", "series", "digest", "low", "high", "mean"]
        pd.testing.assert_frame_equal(first.set_index(key)[same].sort_index(), other.set_index(key)[same].sort_index())


def test_left_out_slices_still_count_in_the_percentiles(tmp_path, copy_duke):
    copy_duke(tmp_path / "data", patients=1)
    before = read(tmp_path / "data").table["high"][0]
    bright = next((tmp_path / "data").rglob("*/Breast_MRI_001/*/*/1-006.dcm"))  # two slices from the box
    write_dicom(bright, anatomy(seed=6) * 20, "GE")
    after = read(tmp_path / "data").table
    assert 6 not in after["slice"].tolist()
    assert after["high"][0] > before


def test_series_by_the_mapping_sheet(tmp_path, copy_duke):
    copy_duke(tmp_path / "data", patients=1, series=("pre", "post_1"))
    assert set(read(tmp_path / "data").table["series"]) == {"pre"}
    cohort = read(tmp_path / "data", settings=CohortSettings(series="post_1"))
    assert set(cohort.table["series"]) == {"post_1"}
    assert cohort.left_out["another series"] == 48
    shutil.rmtree(tmp_path / "cache")
    assert "no series 'T1'; it has 'post_1' (48 files), 'pre' (48 files)" in error(
        tmp_path / "data", settings=CohortSettings(series="T1")
    )


def test_vendor_of_the_sheet_is_checked_against_the_file(tmp_path, copy_duke):
    copy_duke(tmp_path / "data")
    wrong = next((tmp_path / "data").rglob("*/Breast_MRI_001/*/*/1-001.dcm"))
    write_dicom(wrong, vendor="SIEMENS")
    cohort = read(tmp_path / "data")
    assert cohort.skipped["reason"].tolist() == ["the sheet says GE, the file says SIEMENS"]


def test_files_that_the_sheets_and_the_disk_do_not_share(tmp_path, copy_duke):
    copy_duke(tmp_path / "data")
    top = tmp_path / "data" / "Duke-Breast-Cancer-MRI"
    shutil.rmtree(top / "Breast_MRI_006")
    next(top.glob("Breast_MRI_001/*/*/1-001.dcm")).unlink()
    both = next(top.glob("Breast_MRI_002/*/*/1-001.dcm"))
    shutil.copy(both, both.with_name("1-01.dcm"))  # the exact name wins
    rows = list(openpyxl.load_workbook(tmp_path / "data" / BOXES).active.iter_rows(values_only=True))
    save_sheet(tmp_path / "data" / BOXES, [row for row in rows if row[0] != "Breast_MRI_003"])
    cohort = read(tmp_path / "data")
    assert cohort.skipped["reason"].value_counts().to_dict() == {
        "no row in Annotation_Boxes": 24,
        "in the mapping sheet, but not on disk": 1,
    }
    assert cohort.left_out["in the mapping sheet, but the patient's folder is not here"] == 24
    assert both.relative_to(tmp_path / "data").as_posix() in set(cohort.table["path"])


@pytest.mark.parametrize(
    ("sheet", "rows", "words"),
    [
        (
            BOXES,
            [["Patient ID", "Start Row"], ["x", 1]],
            "lacks the columns 'Start Slice', 'End Slice'; the columns found",
        ),
        (BOXES, [["Patient ID", "Start Slice", "End Slice"], ["x", "a", 2]], "the slices of x are 'a' and '2'"),
        (CLINICAL, [["Patient", "Manufacturer"], ["x", 0]], "lacks the column 'Patient ID'"),
        (
            MAPPING,
            [["original_path_and_filename"], ["a/b/c_1.dcm"]],
            "needs the column classic_path or descriptive_path",
        ),
        (
            MAPPING,
            [["original_path_and_filename", "classic_path"], ["odd", "b"]],
            "must look like DICOM_Images/PATIENT",
        ),
    ],
)
def test_bad_sheets(tmp_path, sheet, rows, words, copy_duke):
    copy_duke(tmp_path / "data", patients=1)
    save_sheet(tmp_path / "data" / sheet, rows, "Data" if sheet == CLINICAL else "Sheet1")
    message = error(tmp_path / "data")
    assert words in message
    assert sheet in message


def test_unreadable_and_missing_sheets(tmp_path, copy_duke):
    copy_duke(tmp_path / "data", patients=1)
    whole = (tmp_path / "data" / BOXES).read_bytes()
    (tmp_path / "data" / BOXES).write_bytes(whole[: len(whole) // 2])
    assert f"{BOXES} cannot be read" in error(tmp_path / "data")
    (tmp_path / "data" / BOXES).write_bytes(whole)
    (tmp_path / "data" / MAPPING).unlink()
    message = error(tmp_path / "data")
    assert f"but not {MAPPING}" in message
    assert "which file is which sequence" in message


def test_phantom_is_readable(tmp_path):
    root = write_phantom(tmp_path / "data", PhantomSettings(patients=6, matrix=32), workers=1)
    cohort = read(root, settings=CohortSettings(series="post_1"), size=32)
    assert set(cohort.table["vendor"]) == {"GE", "SIEMENS"}
    assert cohort.table.groupby(["vendor", "label"]).size().tolist() == [12] * 4
    assert cohort.skipped.empty
    assert cohort.table["position"].between(0, 1).all()


# ------------------------------------------------------------------------------------------------ labels.csv


def test_series_must_be_chosen_where_there_are_several(tmp_path):
    write_table_cohort(tmp_path / "data", series=lambda row: "pre" if row["slice"] < 3 else "post")
    assert "several series: 'post' (16 files), 'pre' (16 files)" in error(tmp_path / "data")
    assert "no series 'T1'" in error(tmp_path / "data", settings=CohortSettings(series="T1"))
    cohort = read(tmp_path / "data", settings=CohortSettings(series="pre"))
    assert len(cohort.table) == 16
    assert cohort.left_out == {"another series": 16}


def test_series_asked_of_a_table_without_one(tmp_path):
    write_table_cohort(tmp_path / "data")
    assert "has no series column" in error(tmp_path / "data", settings=CohortSettings(series="pre"))


@pytest.mark.parametrize(
    "path", ["../secret.dcm", "/etc/passwd", "GE0/../../secret.dcm", "C:\\secret.dcm", "link/0.dcm"]
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, path):
    rows = write_table_cohort(tmp_path / "data", patients=1)
    write_dicom(tmp_path / "outside" / "0.dcm")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "outside")
    rows[0]["path"] = path
    save_labels(tmp_path / "data", rows)
    assert "leaves the folder" in error(tmp_path / "data")
    with pytest.raises(ValueError):
        read(tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns=["label", "path"]), "lacks the column 'path'; the columns found are 'patient_id'"),
        (lambda t: t.drop(columns="label"), "lacks the column 'label'"),
        (
            lambda t: t.rename(columns={"path": "PATH", "patient_id": "patientid"}),
            "lacks the columns 'path', 'patient_id'; the columns found are 'PATH', 'patientid', 'label', 'slice'; "
            "did you mean 'PATH', 'patientid'?",
        ),
        (lambda t: t.iloc[:0], "has no rows"),
        (lambda t: t.assign(label="tumour"), "label must be 0 or 1 (or empty); it also holds 'tumour'"),
        (lambda t: t.assign(patient_id=""), "no patient_id in line 2"),
        (lambda t: pd.concat([t, t]), "more than once"),
        (lambda t: t.assign(slice="first"), "slice must be a number (or empty); line 2: 'first'"),
        (lambda t: t.assign(label=1), "GE has 16 positive and 0 negative images"),
        (lambda t: t.assign(label=""), "no usable file. Left out: 32 files (no label)"),
        (lambda t: t.assign(path="absent/" + t["path"]), "no usable file. Left out: 32 files (no such file)"),
        (lambda t: t.assign(split="validation"), "split must be one of train, val, test"),
        (lambda t: t.assign(split=["train", *[""] * 31]), "gives no split for 8 patients"),
        (lambda t: t.assign(split=["train", "val"] * 16), "puts 8 patients in more than one split"),
    ],
)
def test_bad_tables(tmp_path, change, words):
    table = pd.DataFrame(write_table_cohort(tmp_path / "data"))
    change(table).to_csv(tmp_path / "data" / "labels.csv", index=False)
    assert words in error(tmp_path / "data")


def test_a_fixed_split_is_kept_and_ids_stay_texts(tmp_path):
    rows = write_table_cohort(
        tmp_path / "data", split=lambda row: "train" if row["patient_id"].endswith("0") else "val"
    )
    for row in rows:
        row["patient_id"] = row["patient_id"].replace("GE", "00").replace("SIEMENS", "NA")
    save_labels(tmp_path / "data", rows)
    table = read(tmp_path / "data").table
    assert table["split"].value_counts().to_dict() == {"train": 8, "val": 24}
    assert {"000", "NA1"} <= set(table["patient_id"])


def test_bad_files_are_counted_and_do_not_stop_the_scan(tmp_path, monkeypatch):
    rows = write_table_cohort(tmp_path / "data")
    root = tmp_path / "data"
    for local in (200, 0):
        monkeypatch.setattr(dicom_files, "LOCAL_FILES", local)
        (root / rows[0]["path"]).write_bytes(b"junk" * 100)
        (root / rows[1]["path"]).unlink(missing_ok=True)
        write_dicom(root / rows[2]["path"], vendor="ACME")
        write_dicom(root / rows[5]["path"], np.full((16, 16), 7, np.uint16), "GE")
        whole = write_dicom(root / rows[6]["path"], vendor="GE").read_bytes()
        (root / rows[6]["path"]).write_bytes(whole[:-9])
        rows[9]["label"] = ""
        save_labels(root, rows)
        cohort = read(root, tmp_path / f"cache{local}")
        assert dict(zip(cohort.skipped["path"], cohort.skipped["reason"])) == {
            rows[0]["path"]: "not a DICOM file",
            rows[1]["path"]: "no such file",
            rows[2]["path"]: "unknown vendor (ACME)",
            rows[5]["path"]: "zero dynamic range",
            rows[6]["path"]: "truncated",
            rows[9]["path"]: "no label",
        }
        assert len(cohort.table) == 26 == len(np.load(cohort.images))
        assert cohort.table["row"].tolist() == list(range(26))
        assert np.allclose(cohort.table["mean"], np.load(cohort.images).mean(axis=(1, 2)))


# ------------------------------------------------------------------------------------------------ bad folders


def test_bad_folders(tmp_path):
    assert "there is no such folder" in error(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    assert "is a file, not a folder" in error(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "is empty" in error(tmp_path / "empty")
    write_dicom(tmp_path / "unlabelled" / "a" / "1.dcm")
    assert "has no labels: neither labels.csv" in error(tmp_path / "unlabelled")
    with pytest.raises(InputError, match="image_size must be at least 1"):
        read(tmp_path / "empty", size=0)


def test_vendors_that_are_required(tmp_path):
    write_table_cohort(tmp_path / "data", vendors=("GE",))
    assert set(read(tmp_path / "data").table["vendor"]) == {"GE"}
    for _ in range(2):  # from the scan and from the cache
        with pytest.raises(InputError, match=r"usable images of 1 vendor \(GE\), and this needs 2"):
            read(tmp_path / "data", require_vendors=2)


@pytest.mark.parametrize("field", ["intensity", "orientation", "negatives"])
def test_bad_settings(field):
    with pytest.raises(ValueError, match=f"{field} must be one of"):
        CohortSettings(**{field: "other"})


def test_prediction_needs_no_labels(tmp_path):
    for patient in ("a", "b"):
        for i in range(2):
            write_dicom(tmp_path / "data" / patient / "study" / f"{i}.dcm", anatomy(seed=i), phi=True)
    (tmp_path / "data" / "README.txt").write_text("no image")
    cohort = read(tmp_path / "data", labels_required=False)
    assert cohort.table["patient_id"].tolist() == ["a", "a", "b", "b"]
    assert cohort.table["label"].isna().all()
    assert cohort.skipped["reason"].tolist() == ["not a DICOM file"]
    write_table_cohort(tmp_path / "table")
    table = pd.read_csv(tmp_path / "table" / "labels.csv").drop(columns="label")
    table.to_csv(tmp_path / "table" / "labels.csv", index=False)
    assert read(tmp_path / "table", labels_required=False).table["label"].isna().all()


# ------------------------------------------------------------------------------------------------ cache


def count_scans(monkeypatch):
    scans = []
    write = cohort_module.write_cache
    monkeypatch.setattr(cohort_module, "write_cache", lambda *args: (scans.append(1), write(*args)))
    return scans


def test_cache_is_reused_until_something_changes(tmp_path, monkeypatch):
    scans = count_scans(monkeypatch)
    rows = write_table_cohort(tmp_path / "data")
    first = read(tmp_path / "data")
    again = read(tmp_path / "data")
    assert len(scans) == 1
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.images == again.images
    file = tmp_path / "data" / rows[0]["path"]
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 10**9))
    touched = read(tmp_path / "data")
    assert len(scans) == 2
    assert touched.fingerprint == first.fingerprint  # the content is the same
    write_dicom(file, anatomy(seed=99), "GE")
    changed = read(tmp_path / "data")
    assert len(scans) == 3
    assert changed.fingerprint != first.fingerprint
    rows[0]["label"], rows[1]["label"] = rows[1]["label"], rows[0]["label"]
    save_labels(tmp_path / "data", rows)
    assert read(tmp_path / "data").fingerprint != changed.fingerprint
    assert len(scans) == 4


def test_other_settings_or_another_size_have_their_own_cache(tmp_path, monkeypatch):
    scans = count_scans(monkeypatch)
    write_table_cohort(tmp_path / "data")
    first = read(tmp_path / "data")
    assert read(tmp_path / "data", settings=CohortSettings(intensity="image")).fingerprint != first.fingerprint
    assert len(scans) == 2
    assert read(tmp_path / "data", size=4).fingerprint == first.fingerprint
    assert len(scans) == 3


def test_fingerprint_is_the_same_on_another_machine(tmp_path):
    write_table_cohort(tmp_path / "data")
    shutil.copytree(tmp_path / "data", tmp_path / "elsewhere" / "copy", copy_function=shutil.copyfile)
    here = read(tmp_path / "data")
    there = read(tmp_path / "elsewhere" / "copy")
    assert here.images != there.images
    assert here.fingerprint == there.fingerprint


def test_no_half_written_cache(tmp_path, monkeypatch):
    write_table_cohort(tmp_path / "data")

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache_texts, "write_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            read(tmp_path / "data")
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(read(tmp_path / "data").table) == 32
    names = sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert names == ["images.npy", "settings.json", "skipped.csv", "table.csv"]


def test_what_a_killed_reading_left_is_removed_whichever_cohort_it_read(tmp_path):
    write_table_cohort(tmp_path / "data")
    abandoned = tmp_path / "cache" / f".{'0' * 16}.abcdefgh"
    foreign = tmp_path / "cache" / ".notes.abcdefgh"
    for folder in (abandoned, foreign):
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(b"of patients")
        (folder / OWNER).write_text(socket.gethostname())
    assert len(read(tmp_path / "data").table) == 32
    assert not abandoned.exists()
    assert foreign.exists()


def test_cache_inside_the_folder_is_not_read_as_data(tmp_path, monkeypatch):
    scans = count_scans(monkeypatch)
    write_dicom(tmp_path / "data" / "a" / "1.dcm")
    for _ in range(2):
        cohort = read(tmp_path / "data", tmp_path / "data" / "cache", labels_required=False)
        assert cohort.skipped.empty
    assert len(scans) == 1


def test_a_second_start_opens_no_file_and_asks_once_for_each(tmp_path, monkeypatch):
    folders = 8
    for patient in range(folders):
        (tmp_path / "data" / f"p{patient}").mkdir(parents=True)
        for i in range(25):
            (tmp_path / "data" / f"p{patient}" / f"{i}.dcm").touch()
    layout = layouts.detect(tmp_path / "data", False)
    calls = {"stat": Counter(), "lstat": Counter(), "scandir": Counter(), "open": Counter()}

    def count(owner, name):
        function = getattr(owner, name)

        def counted(path, *args, **options):
            calls[name][str(path)] += 1
            return function(path, *args, **options)

        monkeypatch.setattr(owner, name, counted)

    for owner, name in ((os, "stat"), (os, "lstat"), (os, "scandir"), (os, "open"), (builtins, "open"), (io, "open")):
        count(owner, name)
    files = layout.files()
    monkeypatch.undo()
    assert len(files) == 25 * folders
    assert not calls["open"]
    asked = {path: number for path, number in (calls["stat"] + calls["lstat"]).items() if path.endswith(".dcm")}
    assert len(asked) == len(files)
    assert set(asked.values()) == {1}
    assert sum(calls["scandir"].values()) == 1 + folders


def test_planted_names_reach_no_byte_of_the_cache(tmp_path):
    rows = write_table_cohort(tmp_path / "data")
    data = (tmp_path / "data" / rows[0]["path"]).read_bytes()
    assert all(word.encode() in data for word in PHI)
    (tmp_path / "data" / rows[0]["path"]).write_bytes(data[:-9])  # a skipped file must not tell either
    read(tmp_path / "data")
    outputs = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(outputs) == 4
    for path in outputs:
        assert not [word for word in PHI if word.encode() in path.read_bytes()]
        assert str(tmp_path).encode() not in path.read_bytes()


def test_table_survives_its_file(tmp_path):
    write_table_cohort(tmp_path / "data")
    table = read(tmp_path / "data").table
    write_table(tmp_path / "cohort.csv", table)
    pd.testing.assert_frame_equal(read_table(tmp_path / "cohort.csv"), table)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="it lacks row, path"):
        read_table(tmp_path / "other.csv")


# ------------------------------------------------------------------------------------------------ split and negatives


def patients(vendor_classes):
    """{(vendor, classes): patients} -> a table with one row a class a patient."""
    rows = [
        {"patient_id": f"{vendor}-{classes}-{i}", "vendor": vendor, "label": int(label)}
        for (vendor, classes), count in vendor_classes.items()
        for i in range(count)
        for label in classes
    ]
    return pd.DataFrame(rows)


def test_split_is_by_patient_stratified_and_repeatable():
    table = patients({("GE", "01"): 30, ("GE", "1"): 10, ("GE", "0"): 3, ("SIEMENS", "01"): 17, ("SIEMENS", "0"): 2})
    split = split_patients(table, 0)
    assert split.index.equals(table.index)
    assert set(split) == {"train", "val", "test"}
    assert table.assign(split=split).groupby("patient_id")["split"].nunique().max() == 1
    split_table = table.assign(split=split, classes=table["patient_id"].str.split("-").str[1]).drop_duplicates(
        "patient_id"
    )
    counts = split_table.groupby(["vendor", "classes", "split"]).size().unstack()
    assert counts.loc[("GE", "01")].to_dict() == {"train": 18, "val": 6, "test": 6}
    assert counts.loc[("GE", "1")].to_dict() == {"train": 6, "val": 2, "test": 2}
    assert counts.loc[("GE", "0")].to_dict() == {"train": 1, "val": 1, "test": 1}
    assert split.equals(split_patients(table, 0))
    assert not split.equals(split_patients(table, 1))
    shuffled = table.sample(frac=1, random_state=0)
    assert split_patients(shuffled, 0).sort_index().equals(split)
    without_ge = table[table["vendor"] == "SIEMENS"]
    assert split_patients(without_ge, 0).equals(split[without_ge.index])  # one vendor's split leaves another's alone


@pytest.mark.parametrize("count", range(3, 12))
def test_three_patients_or_more_are_in_every_split(count):
    for fractions in ((0.6, 0.2, 0.2), (0.1, 0.1, 0.8), (0.9, 0.05, 0.05)):
        split = split_patients(patients({("GE", "01"): count}), 0, fractions)
        assert set(split) == {"train", "val", "test"}


def test_few_patients_of_each_class_are_pooled():
    table = patients({("GE", "01"): 2, ("GE", "1"): 2, ("GE", "0"): 2})
    assert set(split_patients(table, 0)) == {"train", "val", "test"}


def test_split_that_cannot_be():
    with pytest.raises(InputError, match="GE has 2 patients: a split by patient"):
        split_patients(patients({("GE", "01"): 2}), 0)
    with pytest.raises(ValueError, match="fractions must be three positive numbers"):
        split_patients(patients({("GE", "01"): 5}), 0, (0.5, 0.5, 0.5))


def test_position_matched_negatives(tmp_path, copy_duke):
    copy_duke(tmp_path / "data", patients=4, slices=24, box=(10, 14))
    rows = list(openpyxl.load_workbook(tmp_path / "data" / BOXES).active.iter_rows(values_only=True))
    for number, row in enumerate(rows[1:]):  # tumours at several heights, so that positions of both classes overlap
        rows[number + 1] = (*row[:5], 3 + 4 * (number // 2), 7 + 4 * (number // 2))
    save_sheet(tmp_path / "data" / BOXES, rows)
    everything = read(tmp_path / "data").table
    matched = read(tmp_path / "data", settings=CohortSettings(negatives="position_matched"))
    table = matched.table
    assert (table["label"] == 1).sum() == (everything["label"] == 1).sum()
    assert 0 < (table["label"] == 0).sum() < (everything["label"] == 0).sum()
    assert "negative slices dropped to match the positions of positive ones" in matched.left_out
    for _, of_vendor in table.groupby("vendor"):
        assert abs(auc(of_vendor["label"], of_vendor["position"]) - 0.5) < 0.1
    same = table.merge(everything, on="path", suffixes=("", "_all"))
    assert same["high"].equals(same["high_all"])  # what is dropped still counts in the percentiles


def test_position_matched_needs_positions(tmp_path):
    rows = write_table_cohort(tmp_path / "data")
    rows[0]["slice"] = ""
    save_labels(tmp_path / "data", rows)
    message = error(tmp_path / "data", settings=CohortSettings(negatives="position_matched"))
    assert "needs the slice number of every file" in message


# ------------------------------------------------------------------------------------------------ real patches


def test_breast_patches_are_read_whole(patches_cache):
    root = SHARED / "breast_patches"
    if not root.is_dir():
        pytest.skip("the breast patches are not here")
    settings = CohortSettings(series="pre", intensity="image")
    cohort = open_cohort(root, settings, 64, patches_cache)
    assert len(cohort.table) == 3140
    assert cohort.skipped.empty
    assert cohort.left_out == {"another series": 3140}
    of_vendor = cohort.table.drop_duplicates("patient_id")["vendor"].value_counts()
    assert of_vendor.to_dict() == {"GE": 181, "SIEMENS": 72}
    unknown = cohort.table[cohort.table["orientation"] == "unknown"].groupby("vendor")["patient_id"].nunique()
    assert unknown.to_dict() == {"GE": 84, "SIEMENS": 33}
    written = cohort.images.stat()
    assert open_cohort(root, settings, 64, patches_cache).images.stat() == written, "read again"
    assert json.loads((cohort.images.parent / "settings.json").read_text())["image_side"] == 64


def test_compressed_files_are_scanned_in_children(tmp_path):
    root = SHARED / "dicom_syntaxes"
    if not root.is_dir():
        pytest.skip("the nine encodings are not here")
    cohort = read(root, tmp_path / "cache", size=64, labels_required=False)
    images = np.load(cohort.images)
    assert len(images) == 9
    assert (images == images[0]).all()
    assert cohort.table["digest"].nunique() == 1


def test_a_file_that_kills_its_child_is_left_out_the_next_time():
    task = {"paths": ["a", "b"], "crashed": []}
    again = without_crashed(task, 1)
    assert again == {"paths": ["a", "b"], "crashed": [1]}
    assert without_crashed(again, 1) is None  # it was not that file
    assert without_crashed(task, None) is None


KILLER = """
import os, signal, sys

def hook(event, args):
    if event == "open" and str(args[0]).endswith(os.environ["KILLED_BY"]):
        os.kill(os.getpid(), signal.SIGSEGV)

sys.addaudithook(hook)
"""


def test_files_over_which_children_die_by_a_signal_are_named_and_cost_no_other(tmp_path, monkeypatch):
    """As when a native decoder follows a bad pointer: SIGSEGV in the child, once in the headers, once in the pixels."""
    rows = write_table_cohort(tmp_path / "data")
    (tmp_path / "killer").mkdir()
    (tmp_path / "killer" / "sitecustomize.py").write_text(KILLER)  # children import it, this process does not
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "killer"))
    monkeypatch.setenv("KILLED_BY", rows[5]["path"])
    monkeypatch.setattr(dicom_files, "LOCAL_FILES", 0)
    cohort = read(tmp_path / "data")
    assert dict(zip(cohort.skipped["path"], cohort.skipped["reason"])) == {rows[5]["path"]: prepare.CRASHED}
    assert len(cohort.table) == len(rows) - 1
    headers = prepare_dicom.read_headers
    tasks = Asking.run  # headers here, pixels in children: it dies over the pixels

    def only_pixels(self, function, chunks, local):
        if function == "read_headers":
            return (headers(lambda _: None, **chunk) for chunk in chunks)
        return tasks(self, function, chunks, local)

    monkeypatch.setattr(Asking, "run", only_pixels)
    again = read(tmp_path / "data", tmp_path / "another cache")
    assert again.skipped.equals(cohort.skipped)
    assert again.fingerprint == cohort.fingerprint
