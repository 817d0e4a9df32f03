"""What the tests of the workers share: one thread, and a search with every fault that a trial can have."""

import pytest
import torch

from benchmarks.alone import run_config
from faults import GRID, HANG_AFTER, PLANTED, PLANTED_SPACE, content, start
from tiny import write_tiny
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import load_space


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """As every worker has: another count gives other bits."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def grid_alone(tmp_path_factory, one_thread):
    """What a search of GRID must find, however it is disturbed: a run folder with each trial trained by itself."""
    place = tmp_path_factory.mktemp("grid")
    (place / "space.py").write_text(GRID)
    run = RunFolder(place / "alone")
    _, images = write_tiny(run.root)
    plan = plan_search(load_space(str(place / "space.py")), run, ["GE", "SIEMENS"])
    for (config,) in plan.jobs:
        run_config(config, run, images, "cpu", lambda line: None)
    assert len(content(run)) == 4
    return run


@pytest.fixture(scope="session")
def search_with_faults(tmp_path_factory, warm_workers):
    """The run folder of a search with every planted fault, and its driver, which has begun.

    One of its trials hangs, so for most of its time it does nothing: other tests run meanwhile.
    """
    place = tmp_path_factory.mktemp("trials")
    (place / "space.py").write_text(PLANTED_SPACE)
    faults = {"steps": {str(rate): kind for rate, kind in PLANTED.items()}, "delete": str(place / "run/images96.npy")}
    process = start(place / "run", place / "space.py", "--hang-after", HANG_AFTER, faults=faults)
    yield RunFolder(place / "run"), process
    process.end()
