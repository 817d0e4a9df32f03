"""Python's collector: rarely while a command works, not at all while a worker imports, and as before afterwards."""

import contextlib
import gc

import pytest

from tune_ks.core.collector import RARELY, collected_rarely, imported_for_good, whole_process

BEFORE = gc.get_threshold()


@pytest.fixture(autouse=True)
def as_before():
    yield
    assert gc.isenabled()
    assert gc.get_threshold() == BEFORE


@pytest.mark.parametrize("kept", [collected_rarely, whole_process])
def test_collected_rarely_until_the_end_even_a_bad_one(kept):
    inside = []
    frozen = gc.get_freeze_count()
    with contextlib.suppress(KeyboardInterrupt), kept():
        inside = [gc.isenabled(), gc.get_threshold()[0]]
        raise KeyboardInterrupt
    assert inside == [True, RARELY]
    assert BEFORE[0] < RARELY
    assert (gc.get_freeze_count() > frozen) == (kept is whole_process)


def test_what_is_imported_is_not_looked_through_again():
    imported = []
    with contextlib.suppress(ImportError), imported_for_good():
        imported.append([gc.isenabled()])
        raise ImportError
    later = [[]]
    looked_through = {id(item) for item in gc.get_objects()}
    assert imported == [[False]]
    assert id(imported) not in looked_through
    assert id(later) in looked_through
