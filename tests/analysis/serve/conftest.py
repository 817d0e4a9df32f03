"""A folder with two runs, a server of it, and what their analysis says without a server."""

import json
import shutil

import pytest

from analysis import analyse
from served import running
from synthetic_run import write_run
from tune_ks.core.run_folder import RunFolder


@pytest.fixture(scope="package")
def small(tmp_path_factory):
    """A run of two trials; no test may change it."""
    root = tmp_path_factory.mktemp("small") / "run"
    write_run(root, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12, images=4, source=("GE",))
    return root


@pytest.fixture(scope="package")
def folder(small, tmp_path_factory):
    """Two runs with the same trials, the second of another cohort; beside them what is none."""
    root = tmp_path_factory.mktemp("served") / "studies"
    shutil.copytree(small, root / "first")
    second = RunFolder(shutil.copytree(small, root / "second & <b>"))
    search = second.read_search()
    search["cohort"]["fingerprint"] = "ba9876543210"
    second.search_json.write_text(json.dumps(search))
    (root / "no run").mkdir()
    (root / "no run" / "notes.md").write_text("not to be seen")
    (root / "a link").symlink_to(small)
    return root


@pytest.fixture(scope="package")
def expected(small, tmp_path_factory):
    """The analysis of either run without a server."""
    return analyse(shutil.copytree(small, tmp_path_factory.mktemp("expected") / "run"))


@pytest.fixture(scope="package")
def client(folder):
    with running(folder) as client:
        yield client
