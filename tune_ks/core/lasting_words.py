"""Words that outlive the terminal: where a stream takes no more of them, they go on in a file of the run folder.

A terminal that is closed, a reader such as `head` that has read enough and a full disk end the words, never the work.
"""

import contextlib
import os
import re
import sys
import threading
import time
from typing import TextIO

from tune_ks.core.printable import printable
from tune_ks.core.storage import StoragePath, never_created, read_whole, write_whole

LOG = "terminal.log"  # its name in the run folder; it exists only where a stream went away
LARGEST_LOG = 2**20  # characters; the newest are kept
DRAWING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")  # colours and movements of the cursor
FAILURES = (OSError, ValueError)  # of a write: a broken pipe, a terminal that is gone, a full disk; a closed stream


class Log:
    """The words that no stream took: in memory until a run folder is known, then in its file."""

    def __init__(self) -> None:
        self.words = ""
        self.root: StoragePath | None = None  # the run folder
        self.earlier = ""  # what the file held before, of another command of the same run folder
        self.lock = threading.RLock()  # a signal's handler may speak while the thread speaks

    def lie_in(self, root: StoragePath) -> None:
        """Keep the words in this run folder from now on."""
        with self.lock:
            self.root = root
            self.earlier = ""
            with contextlib.suppress(*FAILURES):
                self.earlier = read_whole(root / LOG, 4 * LARGEST_LOG).decode(errors="replace")
            self._write()

    def add(self, text: str) -> None:
        """Keep a text. Where it cannot be written now, it is written with the next one."""
        with self.lock:
            self.words = (self.words + DRAWING.sub("", text))[-LARGEST_LOG:]
            self._write()

    def _write(self) -> None:
        if self.root is None or not self.words:
            return
        content = (self.earlier + self.words)[-LARGEST_LOG:]
        with contextlib.suppress(*FAILURES), never_created(self.root):
            write_whole(self.root / LOG, content.encode(errors="replace"), sync=False)


class LastingStream:
    """Standard output or error, whichever object that is at the moment; what it does not take goes to the log."""

    def __init__(self, name: str, log: Log) -> None:
        self.name = name  # stdout or stderr, of sys
        self.log = log
        self.lost: object = None  # the object that takes no more
        self.unsaid = ""  # given to the stream since it was last flushed

    def stream(self) -> TextIO | None:
        """The object that sys has now; of rich's, which hands words to a console, the one below it."""
        stream = getattr(sys, self.name)
        return getattr(stream, "rich_proxied_file", stream) if self.name == "stdout" else stream

    @property
    def is_lost(self) -> bool:
        stream = self.stream()
        return stream is None or stream is self.lost or getattr(stream, "closed", False)

    def write(self, text: str) -> int:
        stream = self.stream()
        if stream is None or self.is_lost:
            self.log.add(text)
            return len(text)
        self.unsaid += text
        try:
            stream.write(text)
        except UnicodeEncodeError:  # an old encoding of the terminal
            stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
        except FAILURES:
            self._lose()
        return len(text)

    def flush(self) -> None:
        stream = self.stream()
        if stream is None or self.is_lost:
            return
        try:
            stream.flush()
            self.unsaid = ""
        except FAILURES:
            self._lose()

    def isatty(self) -> bool:
        stream = self.stream()
        return stream is not None and not self.is_lost and stream.isatty()

    def fileno(self) -> int:
        stream = self.stream()
        if stream is None or self.is_lost:
            raise OSError(f"{self.name} is gone")
        return stream.fileno()

    @property
    def encoding(self) -> str:
        return getattr(self.stream(), "encoding", None) or "utf-8"

    def _lose(self) -> None:
        """Keep what was not taken, and lead the stream nowhere: Python writes to it once more when it ends."""
        stream = self.stream()
        self.lost = stream
        if stream is not None:
            with contextlib.suppress(*FAILURES, AttributeError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
        self.log.add(f"{time.strftime('%Y-%m-%d %H:%M:%S')}: {self.name} takes no more words; they go on here\n")
        self.log.add(self.unsaid if self.unsaid.endswith("\n") else f"{self.unsaid}\n")  # a live table ends with none
        self.unsaid = ""


log = Log()
output = LastingStream("stdout", log)
errors = LastingStream("stderr", log)


def say_line(text: object) -> None:
    """Print a message to standard output."""
    output.write(f"{printable(text)}\n")
    output.flush()


def say_error(text: object) -> None:
    """Print a message to standard error."""
    errors.write(f"{printable(text)}\n")
    errors.flush()
