"""Python's garbage collector, for a process that makes many objects which live as long as it does.

Torch and Ray make 300,000 of them as they are imported. The collector looks through them again and again meanwhile, in
every whole collection later, and once more as the process ends: a third of the CPU time of a short command.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = 200_000  # new objects until the next look for unreachable circles; Python's own number is 700


@contextmanager
def collected_rarely() -> Iterator[None]:
    """While inside, Python looks for unreachable circles of objects rarely."""
    before = gc.get_threshold()
    gc.set_threshold(RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def imported_for_good() -> Iterator[None]:
    """While inside, there is no collection; what then exists is left out of every later one.

    For imports at the start of a process: unreachable circles that exist at the end of the block are never freed.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def whole_process() -> Iterator[None]:
    """For all that a command does: collected rarely, and not once more as the process ends, which frees all memory."""
    with collected_rarely():
        try:
            yield
        finally:
            gc.freeze()
