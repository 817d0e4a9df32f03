"""A new .npy file that is filled piece by piece, where the disk has room for all of it."""

import errno
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike


def new_array(path: str | Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """A .npy file of zeros, mapped into memory. OSError, which names it, where the disk has not so much room.

    The file takes its room as it is filled, and a process that fills a page for which there is none is killed.
    """
    need = math.prod(shape) * np.dtype(dtype).itemsize
    free = shutil.disk_usage(os.path.dirname(path) or ".").free
    if need > free:
        words = f"{os.strerror(errno.ENOSPC)} ({need / 2**20:,.0f} MiB are needed, {free / 2**20:,.0f} MiB are free)"
        raise OSError(errno.ENOSPC, words, str(path))
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def keep_rows(path: Path, rows: Sequence[int]) -> None:
    """Rewrite an array with these of its rows only, in this order. Nothing is done where they are all of its rows."""
    old = np.load(path, mmap_mode="r", allow_pickle=False)
    if list(rows) == list(range(len(old))):
        return
    shorter = path.with_name("shorter.npy")
    new = new_array(shorter, old.dtype, (len(rows), *old.shape[1:]))
    for place, row in enumerate(rows):
        new[place] = old[row]
    new.flush()
    os.replace(shorter, path)
