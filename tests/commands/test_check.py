"""check: what a search would understand of a folder, from headers; what it would refuse; and no file is written."""

import shutil

import numpy as np
import pytest

from dicom_files import PHI, save_labels, write_dicom, write_duke, write_table_cohort
from front_door import inside
from nifti_files import PLANTED, Patient, write_mama_mia
from tune_ks.commands import check
from tune_ks.data.cohort import prepare_dicom

WORDS = ("check", "--space", "space.py", "--data")
SPACE = "SPACE = {'mask': 'lowpass', 'sampling_rate': [0.5, 1.0], 'image_size': 64}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    (folder / "space.py").write_text(SPACE)
    rows = write_table_cohort(folder / "data", patients=5, side=64, centre=centre_of)
    write_dicom(folder / "data/ct.dcm", Modality="CT")
    more = [{"path": "gone.dcm", "patient_id": "GE0", "label": 1, "slice": 1}]
    save_labels(folder / "data", [*rows, *more, {"path": "ct.dcm", "patient_id": "GE0", "label": 0, "slice": 2}])
    return folder


def centre_of(row):
    """Three patients of either maker in the first centre, two in the second."""
    return "Alpha" if int(row["patient_id"][-1]) < 3 else "Beta"


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def checked(place, monkeypatch, *words):
    """What is said, when the images of no cohort may be made and nothing may be written."""

    def refuse(*_, **__):
        raise AssertionError("pixels were decoded")

    before = files(place)
    with monkeypatch.context() as patched:
        patched.setattr(prepare_dicom, "write_group", refuse)
        ended = inside(*words, cwd=place)
    assert files(place) == before
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said
    assert not [word for word in PHI if word in said]
    return ended


def test_it_says_what_is_there_what_is_left_out_and_that_a_search_would_take_it(place, monkeypatch):
    ended = checked(place, monkeypatch, *WORDS, "data")
    assert ended.returncode == 0, ended.stderr
    for said in (
        "layout: labels.csv and the files that it names; 42 files in data",
        "cohort: GE 20 images of 5 patients, SIEMENS 20 images of 5 patients; sampled at 64 px",
        "skipped 1 file: no such file (for example gone.dcm)",
        "skipped 1 file: not MR (modality CT) (for example ct.dcm)",
        "k-space of GE: 99% of the energy beyond DC lies within",
        "a search of the space 'space' would take this folder",
    ):
        assert said in ended.stdout, ended.stdout
    row = next(line for line in ended.stdout.splitlines() if line.startswith("GE "))
    assert row.split() == ["GE", "20", "5", "10", "10", "3", "1", "1", "64", "1.5"]


def test_what_a_search_refuses_is_refused_in_its_words_after_what_was_understood(place, monkeypatch):
    write_table_cohort(place / "oneclass", patients=3, label=lambda row: int(row["patient_id"].startswith("GE")))
    write_table_cohort(place / "onevendor", patients=3, vendors=("GE",))
    write_table_cohort(place / "fewpatients", patients=2)
    shutil.copytree(place / "data", place / "unlabelled", ignore=shutil.ignore_patterns("labels.csv"))
    refusals = {
        "oneclass": "GE has 12 positive and 0 negative images",
        "onevendor": "holds usable images of 1 vendor (GE), and this needs 2",
        "fewpatients": "GE has 2 patients: a split by patient into train, val, test needs at least 3. Add patients of "
        "GE, leave its images out of the folder, or give the split of every patient yourself",
        "unlabelled": "unlabelled has no labels: neither labels.csv (columns path, patient_id, label) nor Duke's",
    }
    for folder, message in refusals.items():
        ended = checked(place, monkeypatch, *WORDS, folder)
        assert ended.returncode == 2
        assert message in ended.stderr
        assert "cohort: GE " in ended.stdout
        if folder != "unlabelled":
            searched = inside("--data", folder, "--space", "space.py", "--cache", "cache", cwd=place)
            assert (searched.returncode, searched.stderr) == (2, ended.stderr)
    shutil.rmtree(place / "cache", ignore_errors=True)


def test_volumes_are_said_to_be_volumes_and_what_they_lack_is_said(place, monkeypatch):
    rng = np.random.default_rng(0)
    marked = np.zeros((8, 64, 64), bool)
    marked[:2, 20:30, 20:30] = True
    patients = []
    for number in range(6):
        images = rng.integers(1, 1000, marked.shape).astype(np.float32)
        patients.append(Patient(f"P{number}", ("GE", "SIEMENS")[number % 2], images, marked, 1.0))
    root = write_mama_mia(place / "mama_mia", patients)
    ended = checked(place, monkeypatch, *WORDS, "mama_mia")
    assert ended.returncode == 0, ended.stderr
    for said in (
        "layout: MAMA-MIA: NIfTI volumes, expert masks and the sheet; a slice is positive where the mask marks it; 18",
        "cohort: GE 12 images of 3 patients, SIEMENS 12 images of 3 patients; sampled at 64 px",
        "left out 24: slices less than 5 from a tumour",
        "k-space of GE (0001): 99% of the energy",
        "a search of the space 'space' would take this folder",
    ):
        assert said in ended.stdout, ended.stdout
    assert PLANTED not in ended.stdout + ended.stderr
    for mask in root.rglob("expert/*"):
        mask.unlink()
    ended = checked(place, monkeypatch, *WORDS, "mama_mia")
    assert ended.returncode == 2
    assert "holds no usable file. Left out: 6 files (no mask in segmentations/expert)" in ended.stderr
    assert "Files must be NIfTI volumes" in ended.stderr
    shutil.rmtree(root)


def test_domains_that_are_no_vendors_are_named_counted_and_refused(place, monkeypatch):
    ended = checked(place, monkeypatch, *WORDS, "data", "--domain", "centre")
    assert ended.returncode == 0, ended.stderr
    for said in (
        "cohort: Alpha 24 images of 6 patients, Beta 16 images of 4 patients; sampled at 64 px",
        "Domains are the centres that the cohort's sheet names. In-domain is the domain trained on",
        "a search of the space 'space' would take this folder",
    ):
        assert said in " ".join(ended.stdout.split()), ended.stdout
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert ["domain", "images", "patients", "with", "without", "train", "val", "test", "pixels", "tesla"] in lines
    assert ["Alpha", "24", "6", "12", "12", "4", "1", "1", "64", "1.5"] in lines
    refusals = {
        "field_strength": "holds usable images of 1 domain (1.5T), and this needs 2",
        "hospital": "labels.csv lacks the column 'hospital'; the columns found are 'path', 'patient_id', 'label'",
        "slice": "--domain slice: 10 patients (for example GE0) have several values in this column",
    }
    for domain, message in refusals.items():
        ended = checked(place, monkeypatch, *WORDS, "data", "--domain", domain)
        assert ended.returncode == 2
        assert message in " ".join(ended.stderr.split())
    ended = checked(place, monkeypatch, "--dry-run", "--space", "space.py", "--data", "data", "--domain", "centre")
    assert ended.returncode == 0, ended.stderr
    assert "cohort: Alpha 24 images of 6 patients, Beta 16 images" in ended.stdout
    planned = checked(place, monkeypatch, "--dry-run", "--space", "space.py", "--domain", "centre")
    assert planned.returncode == 2
    assert "the phantom is not written yet, so that only its vendors are known" in " ".join(planned.stderr.split())


def test_duke_s_sheets_and_a_series(tmp_path, monkeypatch):
    (tmp_path / "space.py").write_text(SPACE)
    write_duke(tmp_path / "duke", csv=True, series=("pre", "post_1"))
    ended = checked(tmp_path, monkeypatch, *WORDS, "duke", "--series", "post_1")
    assert "layout: Duke-Breast-Cancer-MRI with its three sheets" in ended.stdout
    assert "series: 'post_1'" in ended.stdout
    assert "left out" in ended.stdout
    unknown = checked(tmp_path, monkeypatch, *WORDS, "duke", "--series", "post_9")
    assert unknown.returncode == 2
    assert "has no series 'post_9'; it has 'post_1'" in unknown.stderr


def test_without_data_it_speaks_of_the_phantom_and_writes_none(tmp_path, monkeypatch):
    ended = checked(tmp_path, monkeypatch, "check")
    assert ended.returncode == 0
    assert "a search would first write one of 92 patients each of GE and SIEMENS" in ended.stdout


def test_every_layout_has_words():
    from tune_ks.data.layouts.detect import LAYOUTS

    assert set(check.LAYOUTS) == set(LAYOUTS)
