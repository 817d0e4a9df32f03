"""The simulated cluster does not wait for a search that has ended."""

import threading
from types import SimpleNamespace

import pytest

from benchmarks.simulated_nodes import Mark, Search


def test_a_search_that_ends_before_its_trials_is_not_waited_for():
    one_ended = [Mark(0.0, 0.0, "started", 2), Mark(1.0, 0.1, "finished", 2)]
    ended = SimpleNamespace(marks=one_ended, thread=threading.Thread())  # which is not alive
    Search.wait_for(ended, 1)
    with pytest.raises(RuntimeError, match="before 2 of its trials"):
        Search.wait_for(ended, 2)
