"""What the tests of the workers share: one thread, and a search with every fault that a trial can have."""

import pytest
import torch

from faults import HANG_AFTER, PLANTED, PLANTED_SPACE, start
from tune_ks.core.run_folder import RunFolder


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """As every worker has: another count gives other bits."""
    torch.set_num_threads(1)


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
