"""Locks of the system on open files, through filelock; what trains needs none, and so not this file."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor


def lock_file(descriptor: int) -> bool | None:
    """Lock an open file for this process: True, or False where another process holds it; None where none can.

    The system frees the lock when the file is closed or the process ends, however it ends.
    """
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError:  # a system or a file system without locks
        return None


@contextmanager
def one_process_at_a_time(path: Path) -> Iterator[None]:
    """Let in one process of this machine at a time, by a lock on the file ``path``.

    Where there are no locks all come in, so what happens within must be harmless when it happens twice.
    """
    with open(path, "w") as file:
        with contextlib.suppress(OSError):
            lock_descriptor(file.fileno())
        yield
