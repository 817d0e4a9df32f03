"""A table's files are looked up in one listing a folder: the same answers as the system gives for each path."""

import os

import pytest

from dicom_files import save_labels, write_table_cohort
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.layouts.base import file_status
from tune_ks.data.layouts.folder_tree import FolderTree

PATHS = (
    *(
        "",
        ".",
        "a",
        "a/b",
        "a/b/1.dcm",
        "./a//b/1.dcm",
        "a/2.dcm",
        "a/2.dcm/below",
        "absent",
        "absent/3.dcm",
        "a/b/absent",
    ),
    *("in", "in/1.dcm", "out", "out/4.dcm", "out/absent", "dangling", "self", "self/5.dcm", "file", "outfile"),
    *("dead", "dead/6.dcm", "shut", "shut/7.dcm", "shut/absent", "shut/in", "shut/in/8.dcm"),
)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Files, folders, links in, links out, links to nothing and to themselves, and a folder that cannot be listed."""
    root = tmp_path / "data"
    for path in ("a/b/1.dcm", "a/2.dcm", "shut/7.dcm", "shut/in/8.dcm"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store/4.dcm").write_text("4")
    links = {"in": "a/b", "out": "../store", "dangling": "a/gone", "self": "self", "file": "a/2.dcm"}
    links |= {"outfile": "../store/4.dcm", "dead": "../gone"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    scandir = os.scandir

    def refuse(path):  # a folder's mode would not refuse root
        if os.path.basename(path) == "shut":
            raise PermissionError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return root


@pytest.mark.parametrize("path", PATHS)
def test_it_says_what_the_system_says_of_each_path(tree, path):
    looked_up = FolderTree(tree)
    place = os.path.join(tree, path)
    inside = os.path.realpath(tree) + os.sep
    assert looked_up.exists(path) == os.path.lexists(place)
    assert looked_up.is_folder(path) == os.path.isdir(place)
    assert looked_up.leaves(path) == (not os.path.realpath(place).startswith(inside))
    assert looked_up.status(path) == file_status(place, path)


def test_a_table_of_absent_files_costs_no_look_at_the_disk_for_each(tmp_path, monkeypatch):
    rows = write_table_cohort(tmp_path / "data", patients=3, images=2)
    absent = [
        {"path": f"gone{n // 10}/{n}.dcm", "patient_id": f"P{n}", "label": n % 2, "slice": 1} for n in range(2000)
    ]
    save_labels(tmp_path / "data", rows + absent)
    calls = {}

    def counted(name):
        call = getattr(os, name)

        def counting(*words, **options):
            calls[name] = calls.get(name, 0) + 1
            return call(*words, **options)

        monkeypatch.setattr(os, name, counting)

    for name in ("stat", "lstat", "scandir", "listdir", "open"):
        counted(name)
    steps = []

    def progress(step, done, total):
        steps.append((step, done))

    cohort = open_cohort(tmp_path / "data", CohortSettings(), 16, tmp_path / "cache", workers=1, progress=progress)
    assert steps[0] == ("files", 0), "something is shown while the table is compared with the disk"
    assert len(cohort.table) == len(rows)
    assert cohort.skipped["reason"].value_counts().to_dict() == {"no such file": 2000}
    assert 0 < sum(calls.values()) < 400
