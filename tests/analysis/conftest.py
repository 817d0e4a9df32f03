"""Runs that several tests of the analysis read: written once, and copied only where a test changes them."""

import shutil
from pathlib import Path

import pytest

from analysis.choice.options import Options
from analysis.read.load import load
from analysis.results.compute import compute
from synthetic_run import write_run

EXAMPLE = Path(__file__).parents[2] / "examples" / "lu_table1"


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder of two vendors and two masks at two rates, with two seeds; no test may change it."""
    root = tmp_path_factory.mktemp("made") / "run"
    write_run(root, rates=(0.25, 1.0), seeds=(0, 1), patients=12, images=4)
    return root


@pytest.fixture(scope="session")
def of_made(made):
    """Its analysis, with everything at its default."""
    return compute(load(made), "epsilon", Options())


@pytest.fixture
def run(made, tmp_path):
    """A copy of ``made`` to be damaged."""
    return shutil.copytree(made, tmp_path / "run")


@pytest.fixture
def example(tmp_path):
    """The folder of the source study's Table 1, to be written into."""
    return shutil.copytree(EXAMPLE / "trials", tmp_path / "lu" / "trials").parent


@pytest.fixture(scope="session")
def table_1():
    """The source study's Table 1, read once."""
    return load(EXAMPLE)
