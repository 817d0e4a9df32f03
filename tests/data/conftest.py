"""What several tests of the data wing share: folders that are written once, and child processes that find the tests."""

import shutil
from pathlib import Path

import pytest

from dicom_files import write_duke
from tune_ks.data import child_process


@pytest.fixture(scope="session")
def copy_duke(tmp_path_factory):
    """``write_duke``, which writes each form of the folder once: another test with the same options gets a copy."""
    templates = {}

    def copy(root, *arguments, **options):
        form = repr((arguments, sorted(options.items())))
        if form not in templates:
            folder = tmp_path_factory.mktemp("duke") / "data"
            write_duke(folder, *arguments, **options)
            templates[form] = folder
        shutil.copytree(templates[form], root, dirs_exist_ok=True)

    return copy


@pytest.fixture
def child_work(monkeypatch):
    """New children find tests/child_work.py; none of them outlives the test."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setattr(child_process, "_shared", None)
    monkeypatch.setattr(child_process, "_begun", [])
    yield
    child_process._close_all()
