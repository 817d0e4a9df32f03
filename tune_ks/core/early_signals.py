"""Ctrl-C and SIGTERM while a command is still being imported. This file imports nothing that takes time."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

INTERRUPTED = 130  # exit code
STOPPING = (signal.SIGINT, signal.SIGTERM)


def end_while_imported() -> None:
    """Let a signal end this process at once, with a line, until ``interruptible`` hears it.

    Imports take seconds on a busy machine, and Python prints a traceback of whichever Ctrl-C meets.
    """
    for number in STOPPING:
        unless_ignored(number, _end_before_anything)


def unless_ignored(number: signal.Signals, handler: Callable[..., object]) -> None:
    """Set a handler. A signal that is ignored, as SIGINT is in the background of a script, stays so."""
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, handler)


def _end_before_anything(number: int, frame: object) -> NoReturn:
    end_at_once(b"interrupted before anything was begun; the same command begins it\n")


def end_at_once(words: bytes) -> NoReturn:
    """End the process as it is, with a line on standard error."""
    if sys.stderr is not None:  # else 2 may be the number of a file that was opened since
        with suppress(OSError):
            os.write(2, words)
    os._exit(INTERRUPTED)
