"""A folder with two runs, a server of it, and what the analysis of each says without a server."""

import json
import shutil

import pytest

from analysis import analyse
from served import running
from synthetic_run import write_run

SMALL = {"rates": (0.25, 1.0), "seeds": (0,), "masks": ("gumbel",), "patients": 12, "images": 4}


@pytest.fixture(scope="package")
def small(tmp_path_factory):
    """A run of two trials; no test may change it."""
    root = tmp_path_factory.mktemp("small") / "run"
    write_run(root, **SMALL, source=("GE",))
    return root


@pytest.fixture(scope="package")
def folder(small, tmp_path_factory):
    """Two runs, the second of another cohort and trained on one more vendor; beside them what is none."""
    root = tmp_path_factory.mktemp("served") / "studies"
    shutil.copytree(small, root / "first")
    second = write_run(root / "second & <b>", **SMALL)
    search = second.read_search()
    search["cohort"]["fingerprint"] = "ba9876543210"
    second.search_json.write_text(json.dumps(search))
    (root / "no run").mkdir()
    (root / "no run" / "notes.md").write_text("not to be seen")
    (root / "a link").symlink_to(small)
    return root


@pytest.fixture(scope="package")
def expected(folder, tmp_path_factory):
    """Name -> the analysis of a copy of each run."""
    copies = tmp_path_factory.mktemp("expected")
    analyses = {}
    for name in ("first", "second & <b>"):
        root = shutil.copytree(folder / name, copies / name)
        analyses[name] = analyse(root, report=name == "first")
    return analyses


@pytest.fixture(scope="package")
def client(folder):
    with running(folder) as client:
        yield client
