"""The analysis as a whole, as a caller of the library meets it."""

import gc

import pytest

from analysis import analyse
from analysis.read.load import RunError


def test_the_caller_keeps_the_collector_of_garbage_as_it_was(tmp_path):
    before = gc.get_threshold()
    with pytest.raises(RunError):
        analyse(tmp_path)
    assert gc.get_threshold() == before
