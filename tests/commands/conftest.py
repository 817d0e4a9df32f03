"""What the tests of the commands share: cohorts of DICOM files, a finished search, commands run in this process."""

import functools
import os
import signal
import subprocess

import pytest

import front_door
from dicom_files import write_table_cohort
from faults import wait_for
from front_door import SPACE, command
from lean_ray import SOCKET
from local_ray import start_local_ray
from tune_ks.core.lasting_words import LOG


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory):
    """A folder with a cohort ``data`` and another hospital's, ``elsewhere``."""
    folder = tmp_path_factory.mktemp("place")
    write_table_cohort(folder / "data", patients=6, side=64)
    write_table_cohort(folder / "elsewhere", patients=3, side=64, vendors=("Philips Medical Systems",))
    return folder


@pytest.fixture(scope="session")
def place(cohorts):
    """The same folder with a small space, and one finished search in runs/one, by a process as a user starts it.

    Its words were piped to `head -3`, and its terminal was closed then.
    """
    (cohorts / "space.py").write_text(SPACE)
    typed = ("--data", "data", "--space", "space.py", "--concurrent", 1, "--run", "runs/one")
    words, options = command(*typed, cwd=cohorts)
    options["env"].pop(SOCKET, None)  # workers of the same process group
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    process = subprocess.Popen(words, **pipes, **options)
    head = [process.stdout.readline() for _ in range(3)]
    process.stdout.close()
    run = cohorts / "runs/one"
    wait_for(lambda: list(run.glob("trials/*/config.json")), process)  # Ray's processes are there, and hear it too
    os.killpg(process.pid, signal.SIGHUP)
    errors = process.stderr.read()
    said = "".join(head) + (run / LOG).read_text() + errors
    assert process.wait() == 0, said
    cohorts.joinpath("said.txt").write_text(said)
    return cohorts


@pytest.fixture
def inside(cohorts):
    """As ``call`` in the folder, but in this process."""
    return functools.partial(front_door.inside, cwd=cohorts)


@pytest.fixture
def local_ray():
    """Ray on this machine for searches ``inside``: started by the first test that needs it, and kept for the others."""
    start_local_ray()
