"""The order of the tests: a law of every number of processes, and of the files that it names."""

from pathlib import Path

import pytest

from order import BY_DRIVERS, IN_THIS_PROCESS, in_order

ROOT = Path(__file__).parents[1]
LONG = (*BY_DRIVERS, *IN_THIS_PROCESS)
SHORT = [f"tests/test_{number}.py" for number in range(100)]
FILES = [file for file in sorted([*SHORT, *LONG]) for _ in range(10)]
TESTS = [f"{file}::test_{number}" for number, file in enumerate(FILES)]


def pieces_of(order, processes):
    """The piece of the list that ``--dist worksteal`` gives to each process."""
    pieces = []
    rest = list(order)
    for left in range(processes, 0, -1):
        size = len(rest) // left
        pieces.append(rest[:size])
        rest = rest[size:]
    return pieces


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_every_test_is_run_once_and_no_long_file_by_two_processes(processes):
    order = in_order(TESTS, FILES, processes)
    assert sorted(order) == sorted(TESTS)
    pieces = pieces_of(order, processes)
    for file in LONG:
        tests = [test for test in TESTS if test.startswith(file)]
        holding = [piece for piece in pieces if set(tests) & set(piece)]
        assert len(holding) == 1
        assert [test for test in holding[0] if test in tests] == tests


def test_two_processes_begin_with_the_long_files_and_end_with_short_ones():
    for piece, first in zip(pieces_of(in_order(TESTS, FILES, 2), 2), (BY_DRIVERS, IN_THIS_PROCESS), strict=True):
        assert piece[0].startswith(first[0])
        assert piece[-1].partition("::")[0] in SHORT


def test_the_files_that_are_named_exist():
    assert len(set(LONG)) == len(LONG) > 10
    for file in LONG:
        assert (ROOT / file).is_file(), file
