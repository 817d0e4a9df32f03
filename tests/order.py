"""The order of the tests, so that the processes of xdist end together and no long file is run by two of them.

``--dist worksteal`` gives every process a piece of the list, and takes from the end of a piece for another process that
is done. So every piece begins with its long files, and ends with short tests that can be shared out. A file that is
split between two processes makes what its tests share, such as a search, twice.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

# those that search in the Ray of the test process stay together, which starts it once
IN_THIS_PROCESS = (
    "tests/search/test_cluster.py",
    "tests/search/test_search.py",
    "tests/search/test_transfer_search.py",
    "tests/search/test_schedulers.py",
    "tests/commands/test_front_door.py",
    "tests/commands/test_api.py",  # reads the search of test_front_door
    "tests/commands/test_member_files.py",
    "tests/commands/test_front_door_resume.py",
    "tests/commands/test_legacy_run.py",
    "tests/commands/test_new_member.py",
    "tests/commands/test_privacy.py",
    "tests/data/test_cohort.py",  # the same patches as in test_front_door
)
BY_DRIVERS = (  # those that start drivers as processes of their own
    "tests/worker/test_faults_kill.py",  # begins a search that hangs, whose end is seen in the next
    "tests/worker/test_faults_trials.py",
    "tests/worker/test_faults_place.py",
    "tests/core/test_storage.py",
)


def in_order(tests: Sequence[Any], files: Sequence[str], processes: int) -> list[Any]:
    """The tests in the order for so many processes; ``files`` has the file of each, relative to the repository."""
    of_file: dict[str, list[Any]] = {}
    for test, file in zip(tests, files, strict=True):
        of_file.setdefault(file, []).append(test)
    pieces: list[list[Any]] = [[] for _ in range(processes)]
    for number, long_files in enumerate((BY_DRIVERS, IN_THIS_PROCESS)):
        for file in long_files:
            pieces[number % processes] += of_file.get(file, [])
    long_files = {*BY_DRIVERS, *IN_THIS_PROCESS}
    short = iter([test for test, file in zip(tests, files, strict=True) if file not in long_files])
    order: list[Any] = []
    for number, piece in enumerate(pieces):
        size = (len(tests) - len(order)) // (processes - number)  # as xdist shares the list out
        order += [*piece, *islice(short, max(0, size - len(piece)))]
    return [*order, *short]
