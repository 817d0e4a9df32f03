"""What the tests of the commands share: cohorts of DICOM files, a finished search, commands run in this process."""

import functools

import pytest

import front_door
from dicom_files import write_table_cohort
from front_door import SPACE, call
from local_ray import start_local_ray


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory):
    """A folder with a cohort ``data`` and another hospital's, ``elsewhere``."""
    folder = tmp_path_factory.mktemp("place")
    write_table_cohort(folder / "data", patients=6, side=64)
    write_table_cohort(folder / "elsewhere", patients=3, side=64, vendors=("Philips Medical Systems",))
    return folder


@pytest.fixture(scope="session")
def place(cohorts):
    """The same folder with a small space, and one finished search in runs/one, by a process as a user starts it."""
    (cohorts / "space.py").write_text(SPACE)
    ended = call("--data", "data", "--space", "space.py", "--run", "runs/one", cwd=cohorts)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    cohorts.joinpath("said.txt").write_text(ended.stdout)
    return cohorts


@pytest.fixture
def inside(cohorts):
    """As ``call`` in the folder, but in this process."""
    return functools.partial(front_door.inside, cwd=cohorts)


@pytest.fixture
def local_ray():
    """Ray on this machine for searches ``inside``: started by the first test that needs it, and kept for the others."""
    start_local_ray()
