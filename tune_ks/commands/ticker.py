"""A line every minute in a log file, also while no trial reports anything: an epoch may take longer."""

import threading
from collections.abc import Callable

PAUSE = 60.0  # seconds between the lines


class Ticker:
    """Calls ``tell`` every ``PAUSE`` seconds, from a thread of its own, until it is stopped."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self.tell = tell
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """No line is begun any more. It is waited for a line that is being printed."""
        self.stopped.set()
        if self.thread.is_alive():
            self.thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self.stopped.wait(PAUSE):
            try:
                self.tell()
            except OSError:  # the terminal or the log file is gone, which ends no search
                return
            except RuntimeError:  # the search changed a dict while it was read; the next line has it
                continue
