"""What the tests of searches share: Ray on this machine."""

import pytest

from local_ray import start_local_ray


@pytest.fixture
def local_ray():
    """Started by the first test that needs it, and kept for the others."""
    start_local_ray()
