"""What can go wrong around a trial, and what is done about it: storage that is away, a hang, too little memory."""

import errno
import faulthandler
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from tune_ks.core.run_folder import RunFolder

STORAGE_WAIT = 180.0  # seconds that a trial waits for storage that is away or full before the search stops
NEVER_MENDS = {errno.EROFS, errno.EACCES, errno.EPERM}  # nobody makes these good while a search waits
Result = TypeVar("Result")


class StorageError(OSError):
    """The run folder cannot be written: nothing is wrong with the trial, but no trial can go on."""


def patiently(folder: RunFolder, write: Callable[..., Result], *args: Any) -> Result:
    """What ``write(*args)`` returns, tried again while the storage is away or full. StorageError after STORAGE_WAIT.

    ``write`` must be harmless to repeat. A run folder that is gone is waited for, never made anew: the old one would
    have no place to come back to.
    """
    started = time.monotonic()
    while True:
        try:
            if isinstance(folder.root, Path) and not folder.root.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the run folder is not there", str(folder.root))
            return write(*args)
        except OSError as error:
            waited = time.monotonic() - started
            if error.errno in NEVER_MENDS or waited > STORAGE_WAIT:
                reason = error.strerror or error
                raise StorageError(f"{folder.root} cannot be written: {reason} (waited {waited:.0f} s)") from error
            time.sleep(min(5.0, 0.2 + waited / 4))


@contextmanager
def watchdog(seconds: float) -> Iterator[Callable[[], None]]:
    """Ends the process when the yielded function is not called for ``seconds``, even one that never leaves C code.

    Where it hung goes to the worker's log. The driver notices the silence and names it.
    """

    def alive() -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)

    alive()
    try:
        yield alive
    finally:
        faulthandler.cancel_dump_traceback_later()


def is_out_of_memory(error: BaseException) -> bool:
    """Of a GPU or of the host, in the ways that torch, numpy and Python say so."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        sign in str(error) for sign in ("out of memory", "not enough memory", "can't allocate memory")
    )


def is_lost_device(error: BaseException) -> bool:
    """A CUDA error after which nothing on the GPU works in this process any more."""
    return isinstance(error, RuntimeError) and "CUDA error" in str(error) and not is_out_of_memory(error)
