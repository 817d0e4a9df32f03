"""What the tests of the model share: one thread."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """As every worker has: another count gives other bits."""
    torch.set_num_threads(1)
