"""Ctrl-C and SIGTERM of a command at work: a line that says how to go on, and exit code 130; never a traceback."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from tune_ks.core.collector import whole_process
from tune_ks.core.early_signals import INTERRUPTED, STOPPING, end_at_once, unless_ignored
from tune_ks.core.lasting_words import say_error
from tune_ks.core.system import HANGUP, ignore_signals

SAME = 1.0  # seconds within which a signal that comes again is the first one's echo


def run_process(main: Callable[[], int]) -> NoReturn:
    """Run a command as all that this process does, and end it with the exit code."""
    interruption.owns_process = True
    with whole_process():
        exit_code = main()
        ignore_signals(*STOPPING)  # all is written and said: a late one must not change the code
        sys.exit(exit_code)


def interruptible(run: Callable[[], int], command_line: str) -> int:
    """The exit code of ``run``; where a signal ends it, INTERRUPTED, and the command that goes on is printed."""
    with signals_of_a_command():
        try:
            return run()
        except KeyboardInterrupt:
            say_error(f"interrupted; nothing finished is lost. The same command goes on:\n  {command_line}")
            return INTERRUPTED


class Interruption:
    """Ends what runs by KeyboardInterrupt, once: what is half-written is removed meanwhile, and children are ended.

    A signal that comes again ends the process at once, where the process is this command's alone and not a notebook's.
    Within SAME seconds it is the first one's echo: `timeout` sends SIGTERM to its command and to the whole group, and
    who types Ctrl-C twice means it once.
    """

    def __init__(self) -> None:
        self.since: float | None = None  # time.monotonic() of the first one
        self.owns_process = False

    def forget(self) -> None:
        """Take the next signal for the first one."""
        self.since = None

    def __call__(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if self.since is not None and now - self.since <= SAME:
            return
        if self.since is not None and self.owns_process:
            end_at_once(b"ended at once; the same command goes on, and removes what is half-written\n")
        self.since = now
        raise KeyboardInterrupt


interruption = Interruption()


@contextmanager
def signals_of_a_command() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does, by ``interruption``; a terminal that is closed (SIGHUP) does not end it.

    While a search holds its run folder, Halt hears SIGTERM and SIGINT. Processes that are started ignore SIGHUP too.
    Only the main thread may hear signals: in another one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in (*STOPPING, HANGUP) if number is not None]
    before = {number: signal.getsignal(number) for number in numbers}
    interruption.forget()
    for number in STOPPING:
        unless_ignored(number, interruption)
    ignore_signals(HANGUP)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
