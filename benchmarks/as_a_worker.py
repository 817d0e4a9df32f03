"""A benchmark's process as a search's worker is: with the allocator's settings that a search gives its workers."""

import os
import sys

from tune_ks.search.cluster import KEEP_FREED


def keep_freed() -> None:
    """Start this program again with KEEP_FREED, which is read when a process begins; nothing where it has it."""
    if not KEEP_FREED.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEEP_FREED)
