"""What can go wrong around a trial, and how it is handled: storage or a GPU that is not there, a hang, no memory."""

import errno
import faulthandler
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import never_created
from tune_ks.training.out_of_memory import is_out_of_memory

STORAGE_WAIT = 180.0  # seconds that a trial waits for storage that is missing or full before the search stops
PERMANENT = {errno.EROFS, errno.EACCES, errno.EPERM}  # errors that waiting does not cure
Result = TypeVar("Result")


class StorageError(OSError):
    """The run folder cannot be written: nothing is wrong with the trial, but no trial can continue."""


def patiently(folder: RunFolder, write: Callable[..., Result], *args: Any) -> Result:
    """Call ``write(*args)`` again while the storage is missing or full, and return its result.

    StorageError after STORAGE_WAIT. ``write`` must be harmless to repeat. A run folder that has disappeared is waited
    for and never created again: then the old one could not be mounted again in its place.
    """
    started = time.monotonic()
    while True:
        try:
            with never_created(folder.root):
                return write(*args)
        except OSError as error:
            waited = time.monotonic() - started
            if error.errno in PERMANENT or waited > STORAGE_WAIT:
                reason = error.strerror or error
                raise StorageError(f"{folder.root} cannot be written: {reason} (waited {waited:.0f} s)") from error
            time.sleep(min(5.0, 0.2 + waited / 4))


@contextmanager
def watchdog(seconds: float) -> Iterator[Callable[[], None]]:
    """End the process when the yielded function is not called for ``seconds``, even if it hangs in C code.

    The traceback goes to the worker's log. The driver notices that the reports stopped, and says that the trial hung.
    """

    stderr = sys.__stderr__ or sys.stderr

    def alive() -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)

    alive()
    try:
        yield alive
    finally:
        faulthandler.cancel_dump_traceback_later()


def is_lost_device(error: BaseException) -> bool:
    """Whether it is a CUDA error after which this process cannot use the GPU any more."""
    return isinstance(error, RuntimeError) and "CUDA error" in str(error) and not is_out_of_memory(error)


def unusable_gpu() -> str | None:
    """In words, why torch cannot use a GPU that Ray counts: its build is for CPUs, or the driver is too old."""
    if torch.cuda.is_available():
        return None
    return (
        f"Ray counts a GPU that torch {torch.__version__} cannot use: install a torch for this GPU and its driver, or "
        "give --gpus-per-trial 0."
    )
