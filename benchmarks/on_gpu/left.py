"""The minutes that are left, and what ends a part that takes too many of them."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

STARTED = time.monotonic()


class Over(BaseException):
    """The time of a part is used up. It is no Exception, so that no part takes it for the failure of a row."""


class Left(NamedTuple):
    """When the command has to end."""

    end: float  # of time.monotonic

    def minutes(self) -> float:
        return (self.end - time.monotonic()) / 60

    @contextmanager
    def at_most(self, minutes: float) -> Iterator[None]:
        """Over is raised inside after so many minutes, and in any case when the command has to end.

        Where a call waits for the GPU, as soon as it has returned.
        """

        def end(number: int, frame: Any) -> None:
            raise Over

        before = signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, max(0.001, 60 * min(minutes, self.minutes())))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
