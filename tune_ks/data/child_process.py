"""Child processes that may die: a crash or a memory bomb in a native decoder costs one file, never the scan.

A child is a fresh interpreter that imports only what its work needs. It is not forked (threads of the parent would be
copied half-way) and not ``multiprocessing``-spawned (that imports the caller's main script again, with all it imports).
"""

import atexit
import contextlib
import importlib
import math
import os
import pickle
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tune_ks.data.limits import DECODER_BYTES

SILENCE_S = 120.0  # a child that says nothing for this long is taken for hung, and killed
Note = Callable[[Any], None]  # a child says what it has in hand, so that its death can be laid at one file's door


class ChildDied(Exception):
    """The child crashed or hung. ``note`` is the last thing it said it had in hand, or None."""

    def __init__(self, note: Any) -> None:
        super().__init__(f"the child process died; it had in hand: {note!r}")
        self.note = note


class Child:
    """One child process that calls functions by name, one call at a time."""

    def __init__(self, silence_s: float = SILENCE_S) -> None:
        package_root = str(Path(__file__).resolve().parents[2])
        paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        self.silence_s = silence_s
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from tune_ks.data.child_process import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # native decoders print parts of headers there
            env=environment,
        )
        self.deadline = math.inf  # by which it must have said something; nobody waits for an idle child
        self.closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def call(self, function: str, task: dict[str, Any]) -> Any:
        """``module:name`` called as ``name(note, **task)`` in the child. Raises ChildDied, or RuntimeError on a bug."""
        note = None
        try:
            self._heard()
            pickle.dump((function, task), self.process.stdin)
            self.process.stdin.flush()
            while True:
                kind, value = pickle.load(self.process.stdout)
                self._heard()
                if kind == "note":
                    note = value
                elif kind == "done":
                    return value
                else:
                    raise RuntimeError(f"{function} failed in a child process:\n{value}")
        except (OSError, EOFError, pickle.UnpicklingError, ValueError) as error:
            self.close()
            raise ChildDied(note) from error
        finally:
            self.deadline = math.inf

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self.closed.set()
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self.process.wait()

    def _heard(self) -> None:
        self.deadline = time.monotonic() + self.silence_s

    def _watch(self) -> None:
        """Kill it when it has been silent for too long. One thread a child: one a message took a tenth of a scan."""
        while not self.closed.wait(min(self.silence_s, max(0.0, self.deadline - time.monotonic()))):
            if time.monotonic() >= self.deadline:
                self.process.kill()
                return


class Crew:
    """Up to ``workers`` children, started when there is work and kept from run to run, until the ``with`` ends."""

    def __init__(self, workers: int, silence_s: float = SILENCE_S) -> None:
        self.workers, self.silence_s = workers, silence_s
        self.children: dict[int, Child] = {}

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *failure: object) -> None:
        for child in list(self.children.values()):
            child.close()
        self.children.clear()

    def run(
        self,
        function: str,
        tasks: Iterable[dict[str, Any]],
        revise: Callable[[dict[str, Any], Any], dict[str, Any] | None],
    ) -> Iterator[Any]:
        """Results of ``function`` over ``tasks``, in the order in which they are done.

        ``revise(task, note)`` says what to do after a child died over a task: the task to try instead (without the file
        that ``note`` names), or None to give it up. It is called from a thread.
        """
        waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        results: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        stop = threading.Event()

        def drive(number: int) -> None:
            try:
                while not stop.is_set():
                    try:
                        task: dict[str, Any] | None = waiting.get_nowait()
                    except queue.Empty:
                        return
                    while task is not None and not stop.is_set():
                        if number not in self.children:
                            self.children[number] = Child(self.silence_s)
                        try:
                            results.put(("result", self.children[number].call(function, task)))
                            break
                        except ChildDied as death:
                            self.children.pop(number)
                            task = revise(task, death.note)
            except Exception as error:
                results.put(("error", error))
            finally:
                results.put(("end", None))

        count = max(1, min(self.workers, waiting.qsize()))
        threads = [threading.Thread(target=drive, args=(number,), daemon=True) for number in range(count)]
        for thread in threads:
            thread.start()
        running = count
        try:
            while running:
                kind, value = results.get()
                if kind == "result":
                    yield value
                elif kind == "error":
                    raise value
                else:
                    running -= 1
        finally:
            stop.set()
            if running:  # the caller stops early or is interrupted: what the children are doing is for nobody
                self.__exit__()
                for thread in threads:
                    thread.join(timeout=5)
                self.__exit__()  # those started while the others were being closed


_shared: Child | None = None
_shared_lock = threading.Lock()


def call(function: str, task: dict[str, Any]) -> Any:
    """One call in a child that is kept for the next one. Raises ChildDied; the next call starts a new child."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Child()
            atexit.register(_shared.close)
        try:
            return _shared.call(function, task)
        except ChildDied:
            _shared = None
            raise


inside = False  # True in a child: decode here, do not start another


def serve() -> None:
    """The child's loop: read a call, answer it, until the parent closes the pipe."""
    global inside
    inside = True
    resource.setrlimit(resource.RLIMIT_DATA, (DECODER_BYTES, DECODER_BYTES))  # not the mapped array of all images
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    answers = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)  # a native library that prints must not print into the answers

    def send(kind: str, value: Any) -> None:
        pickle.dump((kind, value), answers)
        answers.flush()

    while True:
        try:
            function, task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        module, name = function.split(":")
        try:
            send("done", getattr(importlib.import_module(module), name)(lambda value: send("note", value), **task))
        except BrokenPipeError:
            return
        except Exception:
            send("error", traceback.format_exc())
