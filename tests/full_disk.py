"""A disk that is full, for one process: the system refuses to write more into a file."""

import resource
from contextlib import contextmanager


@contextmanager
def no_file_above(size):
    """The system refuses to write more into a file, with an error that names none, as that of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
