"""What the tests of training share: one thread, and the tiny cohort, which no test changes."""

import pytest
import torch

from tiny import write_tiny
from tune_ks.data.dataset import open_splits


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """As every worker has: another count gives other bits."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """(cohort.csv, images.npy); masks.npy beside them."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def splits(tiny):
    """Trained on GE."""
    return open_splits(*tiny, "GE")
