"""Layouts: every member of the registry keeps the interface, and a new one is a file and a line."""

import importlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from dicom_files import save_labels, write_dicom, write_table_cohort
from nifti_files import Patient, write_breast_dcedl, write_mama_mia, write_odelia, write_volume
from raw_files import write_boxes
from tune_ks.commands.about_cohort import labels_of_patients
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.data.layouts.base import Layout
from tune_ks.data.layouts.detect import LAYOUTS, detect
from tune_ks.data.layouts.sheet_tables import read_table
from tune_ks.data.layouts.sheets import InputError, require_columns
from tune_ks.data.phantom.qsm import QsmSettings, write_qsm_phantom

NEW_LAYOUT = '''
import json

from tune_ks.data.layouts.base import Layout
from tune_ks.data.layouts.items import Item, Listing


class JsonLayout(Layout):
    """A folder that holds labels.json: patient -> {path: label}."""

    recognised_by = "labels.json (patient -> {path: label})"

    @classmethod
    def find_sheets(cls, root):
        path = root / "labels.json"
        return {"labels": path} if path.is_file() else None

    def listing(self, series, labels_required, files):
        patients = json.loads(self.sheets["labels"].read_text())
        listing = Listing()
        for patient, labels in patients.items():
            listing.items += [Item(path, patient, label=label) for path, label in labels.items()]
        return listing
'''

PATIENT = Patient("p", "GE", np.ones((2, 3, 4), np.float32), np.ones((2, 3, 4), bool), 1.0)
FILES = {
    "volumes": 1,
    "table": 8,
    "mama_mia": 3,
    "maps": 9,
    "odelia": 8,
    "breast_dcedl": 3,
    "duke": 4,
    "fastmri": 2,
    "raw": 1,
    "nifti": 2,
    "folder": 1,
}  # files


@pytest.fixture
def folders(tmp_path, copy_duke):
    """layout -> a folder that has it."""
    write_table_cohort(tmp_path / "table", patients=1)
    copy_duke(tmp_path / "duke", patients=1, slices=2)
    write_qsm_phantom(tmp_path / "maps", QsmSettings(synthetic=3, others=3, side=16))
    write_dicom(tmp_path / "folder" / "a" / "1.dcm")
    write_mama_mia(tmp_path / "mama_mia", [PATIENT])
    write_odelia(tmp_path / "odelia", [PATIENT])
    write_breast_dcedl(tmp_path / "breast_dcedl", [PATIENT])
    write_volume(tmp_path / "volumes" / "a.nii.gz", PATIENT.images)
    save_labels(tmp_path / "volumes", [{"path": "a.nii.gz", "patient_id": "a", "vendor": "GE", "label": 1}])
    write_volume(tmp_path / "nifti" / "a" / "post_1.nii.gz", PATIENT.images)
    (tmp_path / "nifti" / "b.nii").touch()
    (tmp_path / "raw" / "multicoil").mkdir(parents=True)
    (tmp_path / "raw" / "multicoil" / "a.h5").touch()
    (tmp_path / "raw" / "notes.txt").touch()
    (tmp_path / "fastmri" / "multicoil").mkdir(parents=True)
    write_boxes(tmp_path / "fastmri", [("a", 0, "No", "Tear")], listed=["b"])
    for name in ("a.h5", "b.h5", "notes.txt"):
        (tmp_path / "fastmri" / "multicoil" / name).touch()
    return {path.name: path for path in tmp_path.iterdir()}


def test_every_layout_is_recognised_by_what_the_folder_holds(folders):
    assert set(folders) == set(LAYOUTS)
    assert list(LAYOUTS)[-1] == "folder"
    for kind, root in folders.items():
        layout = detect(root, labels_required=LAYOUTS[kind].has_labels)
        assert layout.kind == kind
        assert isinstance(layout, LAYOUTS[kind])
        assert isinstance(layout, Layout)
        assert bool(layout.recognised_by) is layout.has_labels  # the message that none was recognised names it


def test_every_layout_lists_the_files_that_it_may_read(folders):
    for kind, root in folders.items():
        layout = detect(root, labels_required=LAYOUTS[kind].has_labels)
        files = layout.files()
        assert files == sorted(files)
        assert len(files) == FILES[kind]
        listing = layout.listing(None, layout.has_labels, files)
        assert {item.path for item in listing.items} <= {file.path for file in files}
        assert set(layout.sheet_digests()) == set(layout.sheets)
        assert all((root / file.path).stat().st_size == file.size for file in files)


def test_volumes_without_a_sheet_are_patients_by_folder_or_by_name_and_beside_dicom_they_are_not_read(tmp_path):
    for path in ("a/x/1.nii.gz", "a/2.nii", "b.nii.gz"):
        write_volume(tmp_path / path, PATIENT.images)
    layout = detect(tmp_path, labels_required=False)
    items = layout.listing(None, False, layout.files()).items
    assert {item.path: item.patient_id for item in items} == {"a/x/1.nii.gz": "a", "a/2.nii": "a", "b.nii.gz": "b"}
    assert {item.sheet_vendor for item in items} == {"unknown"}
    write_dicom(tmp_path / "a" / "1.dcm")
    assert detect(tmp_path, labels_required=False).kind == "folder"


def test_a_new_layout_is_a_file_and_a_line(tmp_path, monkeypatch):
    (tmp_path / "json_layout.py").write_text(NEW_LAYOUT)
    monkeypatch.syspath_prepend(tmp_path)
    root = tmp_path / "data"
    labels = {}
    for vendor in ("GE", "SIEMENS"):
        for label in (0, 1):
            path = write_dicom(root / vendor / f"{label}.dcm", vendor=vendor).relative_to(root)
            labels.setdefault(vendor, {})[path.as_posix()] = label
    with pytest.raises(InputError, match="has no labels"):
        detect(root, labels_required=True)
    monkeypatch.setitem(LAYOUTS, "json", importlib.import_module("json_layout").JsonLayout)
    with pytest.raises(InputError, match=r"neither labels.csv .* nor labels.json \(patient"):
        detect(root, labels_required=True)
    (root / "labels.json").write_text(json.dumps(labels))
    cohort = open_cohort(root, CohortSettings(), 8, tmp_path / "cache")
    assert cohort.layout == "json"
    assert cohort.table["label"].tolist() == [0, 1, 0, 1]
    assert cohort.table["patient_id"].tolist() == ["GE", "GE", "SIEMENS", "SIEMENS"]


def test_one_row_a_patient_is_enough(tmp_path):
    """A row of a folder stands for every file below it: the same cohort as with a row for each file."""
    rows = write_table_cohort(tmp_path / "files", patients=2, images=3)
    for row in rows:
        row["label"] = int(row["patient_id"].endswith("1"))
        row["breast"] = "left" if row["patient_id"].endswith("0") else "right"
    save_labels(tmp_path / "files", rows)
    shutil.copytree(tmp_path / "files", tmp_path / "folders")
    of_patient = {row["patient_id"]: {**row, "path": row["patient_id"]} for row in rows}
    columns = ("path", "patient_id", "label", "breast")
    short = [{name: row[name] for name in columns} for row in of_patient.values()]
    save_labels(tmp_path / "folders", short)
    expected = read(tmp_path / "files")
    cohort = read(tmp_path / "folders")
    assert len(short) == 4
    assert len(cohort.table) == 12
    assert cohort.fingerprint == expected.fingerprint
    columns = ["path", "patient_id", "label", "breast"]
    pd.testing.assert_frame_equal(cohort.table[columns], expected.table[columns])
    assert labels_of_patients(cohort.table).startswith("labels: every image has the label of its patient (2 patients")
    again = read(tmp_path / "folders")  # from the cache
    assert again.table["breast"].tolist() == cohort.table["breast"].tolist()


def test_without_breasts_a_table_is_as_before_and_mixed_labels_are_of_images(tmp_path):
    write_table_cohort(tmp_path / "data", patients=1)
    cohort = read(tmp_path / "data")
    assert list(cohort.table) == list(COLUMNS)
    assert labels_of_patients(cohort.table) == ""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"path": "GE0/0.dcm"}, "names 'GE0/0.dcm' twice: in line [0-9]+ and in line [0-9]+"),
        ({"path": "empty"}, "names the folder 'empty', which holds no file"),
        ({"path": ".."}, "which leaves the folder"),
    ],
)
def test_a_folder_that_can_not_be_meant_is_refused(tmp_path, more, message):
    write_table_cohort(tmp_path / "data", patients=1)
    (tmp_path / "data" / "empty").mkdir()
    whole = {"patient_id": "GE0", "label": 1}
    save_labels(tmp_path / "data", [{"path": "GE0", **whole}, {**whole, **more}])
    with pytest.raises(InputError, match=message):
        read(tmp_path / "data")


def read(root):
    return open_cohort(root, CohortSettings(), 16, root.parent / f"{root.name}_cache")


@pytest.mark.parametrize("name", ["Labels.csv", "labels.xlsx", "label.csv", "labels.txt"])
def test_a_sheet_of_nearly_the_right_name_is_named(tmp_path, name):
    write_dicom(tmp_path / "P1" / "a.dcm", vendor="GE")
    (tmp_path / name).write_text("path,patient_id,label\nP1/a.dcm,P1,1\n")
    with pytest.raises(
        InputError, match=f"'{name}' is not read: the sheet must be a CSV file with the name 'labels.csv'"
    ):
        detect(tmp_path, labels_required=True)


def test_a_folder_in_the_place_of_the_sheet_is_named(tmp_path):
    (tmp_path / "labels.csv").mkdir()
    with pytest.raises(InputError, match=r"'labels\.csv' is not read"):
        detect(tmp_path, labels_required=True)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_sheet_of_another_separator_is_the_same_table(tmp_path, separator, encoding):
    text = 'path,patient_id,label,site\na.dcm,P1,1,"x"\nb.dcm,P2,0,\n'
    (tmp_path / "comma.csv").write_text(text)
    (tmp_path / "other.csv").write_text(text.replace(",", separator), encoding=encoding)
    table = read_table(tmp_path / "other.csv")
    assert table.equals(read_table(tmp_path / "comma.csv"))
    assert list(table["patient_id"]) == ["P1", "P2"]


def test_a_sheet_without_a_name_in_its_first_line_says_so(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"")
    with pytest.raises(InputError, match="lacks the columns 'path', 'patient_id': its first line names none"):
        require_columns(tmp_path / "labels.csv", read_table(tmp_path / "labels.csv").columns, "path", "patient_id")
