"""Names, paths and folders as hospitals, Excel and download tools leave them, and what a scan must not end at."""

import os
import shutil
import unicodedata
from pathlib import Path

import openpyxl
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from dicom_files import MAPPING, anatomy, read_image, save_labels, save_sheet, write_dicom, write_table_cohort
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.layouts import base
from tune_ks.data.layouts.detect import detect
from tune_ks.data.layouts.folder_tree import FolderTree
from tune_ks.data.layouts.names import NamesOnDisk
from tune_ks.data.layouts.sheets import InputError

TOP = "Duke-Breast-Cancer-MRI"


def opened(root, labels_required=True):
    return open_cohort(root, CohortSettings(), 8, root.parent / "cache", workers=1, labels_required=labels_required)


def reasons(cohort):
    return dict(zip(cohort.skipped["path"], cohort.skipped["reason"]))


# ------------------------------------------------------------------------------------------------ odd entries


def test_no_odd_entry_ends_a_scan(tmp_path, monkeypatch):
    root = tmp_path / "data"
    write_dicom(root / "p" / "good.dcm")
    os.symlink("self", root / "p" / "self")
    os.symlink("b", root / "p" / "a")
    os.symlink("a", root / "p" / "b")
    os.symlink("x" * 300, root / "p" / "long")
    latin = os.fsencode(root) + b"/p/caf\xe9"
    Path(os.fsdecode(latin + b".txt")).write_text("no image")
    shutil.copy(root / "p" / "good.dcm", os.fsdecode(latin + b".dcm"))
    os.makedirs(os.fsdecode(latin))
    shutil.copy(root / "p" / "good.dcm", os.fsdecode(latin + b"/1.dcm"))
    (root / "p" / "locked").mkdir()
    entries = base._visible_entries

    def refusing(folder):
        if folder.endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return entries(folder)

    monkeypatch.setattr(base, "_visible_entries", refusing)  # root may read everything
    cohort = opened(root, labels_required=False)
    assert cohort.table["path"].tolist() == ["p/good.dcm"]
    named = reasons(cohort)
    links = {name: named.pop(f"p/{name}") for name in ("self", "a", "b", "long")}
    assert all(said.startswith("cannot be opened") for said in links.values())
    assert named.pop("p/locked") == "not a file"
    foreign = "a name that is not UTF-8"
    assert named == {f"p/caf\\xe9{name}": foreign for name in (".txt", ".dcm", "/1.dcm")}
    with pytest.raises(InputError, match="has no labels"):  # whose message names what lies in the folder
        detect(Path(os.fsdecode(latin)).parent, labels_required=True)


def test_odd_entries_beside_the_sheets_and_in_a_table(tmp_path, copy_duke):
    copy_duke(tmp_path / "duke", patients=1, slices=20)
    os.symlink("self", tmp_path / "duke" / TOP / "self")
    Path(os.fsdecode(os.fsencode(tmp_path / "duke" / TOP) + b"/n\xf6tes.txt")).write_text("x")
    assert len(opened(tmp_path / "duke").table) > 10
    rows = write_table_cohort(tmp_path / "data", patients=1)
    os.symlink("self.dcm", tmp_path / "data" / "self.dcm")
    save_labels(tmp_path / "data", [*rows, {**rows[0], "path": "self.dcm"}])
    assert "self.dcm" in reasons(opened(tmp_path / "data"))


# ------------------------------------------------------------------------------------------------ names in a table


def test_names_as_another_system_writes_them(tmp_path):
    composed = unicodedata.normalize("NFC", "pré")
    rows = write_table_cohort(tmp_path / "data", patients=1, vendors=("GE",))
    (tmp_path / "data" / "GE0").rename(tmp_path / "data" / unicodedata.normalize("NFD", "pré"))
    (tmp_path / "data" / unicodedata.normalize("NFD", "pré") / "1.dcm").rename(tmp_path / "data" / "deep.DCM")
    (tmp_path / "data" / "B").mkdir()
    write_dicom(tmp_path / "data" / "B" / "x.dcm", anatomy(seed=50), "GE")
    names = [f"{composed}/0.dcm", "Deep.dcm", f"{composed}\\2.dcm", f"./{composed}//3.DCM", "B/.\\x.dcm"]
    rows = [{**rows[0], "path": name, "label": number % 2} for number, name in enumerate(names)]
    save_labels(tmp_path / "data", rows)
    cohort = opened(tmp_path / "data")
    assert cohort.skipped.empty
    assert len(cohort.table) == 5
    assert all((tmp_path / "data" / path).exists() for path in cohort.table["path"])
    save_labels(tmp_path / "data", [*rows, {**rows[0], "path": f"{composed}//0.dcm"}])
    with pytest.raises(InputError, match="more than once"):
        opened(tmp_path / "data")


def test_a_name_that_exists_or_fits_two_files_stays_as_it_is(tmp_path):
    for name in ("a.dcm", "A.dcm", "b\\c.dcm"):
        (tmp_path / name).touch()
    disk = NamesOnDisk(FolderTree(tmp_path))
    for name in ("a.dcm", "A.dcm", "b\\c.dcm", "A.DCM", "absent/x", "../up", "/etc/passwd", "C:\\x"):
        assert disk.written(name).replace("\\", "/") == name.replace("\\", "/")
    (tmp_path / "a.dcm").unlink()
    assert disk.written("a.dcm") == "a.dcm"  # listed before: the folder is read once
    assert NamesOnDisk(FolderTree(tmp_path)).written("a.dcm") == "A.dcm"


def test_a_link_to_a_store_is_called_a_link(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=1)
    shutil.move(tmp_path / "data" / "GE0", tmp_path / "store")
    (tmp_path / "data" / "GE0").symlink_to(tmp_path / "store")
    assert len(rows) == 8
    with pytest.raises(InputError, match=r"GE0/0.dcm', a link that leaves the folder.*copy the files"):
        opened(tmp_path / "data")


def test_rows_of_commas_are_no_rows(tmp_path):
    write_table_cohort(tmp_path / "data", patients=1)
    sheet = tmp_path / "data" / "labels.csv"
    sheet.write_text(sheet.read_text() + ",,,\n, ,,,,,\n")
    assert len(opened(tmp_path / "data").table) == 8
    sheet.write_text(sheet.read_text() + "a,b,1,1,beyond\n")
    with pytest.raises(InputError, match="line 12 has 5 values, the header names 4 columns"):
        opened(tmp_path / "data")


@pytest.mark.parametrize(("number", "slices"), [(0, 4), (-1, 4), (5, 4), ("inf", ""), (1, 0), (1, -2)])
def test_a_slice_outside_its_series(tmp_path, number, slices):
    rows = write_table_cohort(tmp_path / "data", patients=1, slices=lambda row: 4)
    rows[2] |= {"slice": number, "slices": slices}
    save_labels(tmp_path / "data", rows)
    with pytest.raises(InputError, match=r"slice must lie in its series, counted from 1; line 4: .* \(1 such lines\)"):
        opened(tmp_path / "data")


# ------------------------------------------------------------------------------------------------ no preamble


@pytest.mark.parametrize("meta", [True, False])
def test_files_without_a_preamble_are_read(tmp_path, meta):
    whole = write_dicom(tmp_path / "x", anatomy()).read_bytes()
    length = int.from_bytes(whole[140:144], "little")
    (tmp_path / "x").write_bytes(whole[132:] if meta else whole[144 + length :])
    assert (read_image(tmp_path / "x") == anatomy()).all()


def test_implicit_files_without_a_preamble_and_texts_that_look_like_them(tmp_path):
    import pydicom

    from tune_ks.data.unusable import UnusableFile

    dataset = pydicom.dcmread(write_dicom(tmp_path / "x", anatomy()))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(tmp_path / "x", implicit_vr=True, little_endian=True)
    whole = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(whole[144 + int.from_bytes(whole[140:144], "little") :])
    assert (read_image(tmp_path / "x") == anatomy()).all()
    for content in (b"\x08\x00\x05\x00" + b"\xff" * 200, b"\x02\x00\x00\x00XX" + b"a" * 200, b"text" * 100):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(UnusableFile):
            read_image(tmp_path / "x")


# ------------------------------------------------------------------------------------------------ Duke


def rewrite_mapping(root, change):
    rows = list(openpyxl.load_workbook(root / MAPPING).active.iter_rows(values_only=True))
    save_sheet(root / MAPPING, [rows[0], *(change(number, row) for number, row in enumerate(rows[1:]))])


def test_duke_twice_in_two_manifest_folders(tmp_path, copy_duke):
    root = tmp_path / "data"
    copy_duke(root, patients=1, slices=20)
    for number in (1, 2):
        shutil.copytree(root / TOP, root / f"manifest-{number}" / TOP)
    shutil.rmtree(root / TOP)
    cohort = opened(root)
    assert cohort.skipped.empty
    assert cohort.left_out["further copies of a file, in another folder of the patient"] == 40
    assert {path.split("/")[0] for path in cohort.table["path"]} == {"manifest-1"}
    other = next((root / "manifest-2").rglob("1-002.dcm"))
    other.write_bytes(other.read_bytes()[:-100])
    skipped = opened(root).skipped
    assert skipped["reason"].tolist() == ["several files on disk fit it, and they are no copies of one file"]


def test_duke_without_patient_folders_in_small_letters_and_by_uid(tmp_path, copy_duke):
    root = tmp_path / "data"
    copy_duke(root, patients=1, slices=20)
    expected = opened(root).table.set_index(["patient_id", "slice"])["digest"].sort_index()

    def digests():
        cohort = opened(root)
        assert cohort.skipped.empty
        return cohort.table.set_index(["patient_id", "slice"])["digest"].sort_index()

    for folder in sorted((root / TOP).iterdir()):
        folder.rename(folder.with_name(folder.name.lower()))
    assert digests().equals(expected)
    for series in sorted((root / TOP).glob("*/*/*")):  # as tcia_utils writes them
        series.rename(root / TOP / series.name)
    for folder in (root / TOP).glob("breast*"):
        shutil.rmtree(folder)
    assert digests().equals(expected)
    uids = {}

    def name_file(number, row):
        path = next(path for path in (root / TOP).rglob("*.dcm") if path.parts[-2:] == Path(row[2]).parts[-2:])
        uids[number] = path
        return (f"1.2.840.{number}", *row[1:])

    rewrite_mapping(root, name_file)
    for number, path in uids.items():  # as the Imaging Data Commons names them
        path.rename(root / TOP / f"1.2.840.{number}.dcm")
    assert digests().equals(expected)


def test_a_refusal_says_what_was_counted_the_most_frequent_first(tmp_path, copy_duke):
    root = tmp_path / "data"
    copy_duke(root, patients=1, slices=4)
    shutil.rmtree(root / TOP / "Breast_MRI_001")
    for path in (root / TOP).rglob("1-00[1-3].dcm"):
        path.unlink()
    next((root / TOP).rglob("1-004.dcm")).write_bytes(b"junk" * 100)
    with pytest.raises(InputError) as caught:
        opened(root)
    absent = "4 files (in the mapping sheet, but the patient's folder is not here)"
    assert f"Left out: {absent}, 3 files (in the mapping sheet, but not on disk), 1 file (not a DICOM" in str(
        caught.value
    )
