"""Child processes for work that may crash: a native decoder that fails costs one file, never the whole scan.

A child is a fresh Python interpreter that imports only what its work needs. The child reports its file, so that a crash
is attributed to it. No pool of a library is used, because concurrent.futures fails all tasks when one worker dies,
multiprocessing and pebble import the caller's main script in each worker and limit only a task's whole time, and none
of them says which file of a task was being read when the worker died.
"""

import atexit
import contextlib
import importlib
import math
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from tune_ks.core.allocator import KEEP_FREED
from tune_ks.core.collector import collected_rarely
from tune_ks.core.system import HANGUP, ignore_signals, limit_memory
from tune_ks.data.limits import DECODER_BYTES

# pydicom imports these where they are installed: the first three to download its examples, Pillow for decoders that
# `dicom/pixels.py` never uses. Without them a child starts in 70 % of the CPU time
UNUSED = ("requests", "tqdm", "ssl", "PIL")
SILENCE_S = 120.0  # a child that sends nothing for this long is taken for hung, and killed
Report = Callable[[Any], None]  # a child calls it with what it works on next, for example the number of a file
Task = dict[str, Any]  # the keyword arguments of one call


class ChildDied(Exception):
    """The child crashed or hung. ``last_report`` is what it worked on, or None where it had reported nothing."""

    def __init__(self, last_report: Any) -> None:
        super().__init__(f"the child process died while it worked on {last_report!r}")
        self.last_report = last_report


class Child:
    """One child process. It calls functions by name, one call at a time.

    ``modules`` are imported before the first call. One that cannot be imported fails the call that needs it.
    """

    def __init__(self, silence_s: float = SILENCE_S, modules: Iterable[str] = ()) -> None:
        package_root = str(Path(__file__).resolve().parents[2])
        paths = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
        threads = {"OMP_NUM_THREADS": "1"}
        environment = {**KEEP_FREED, **os.environ, "PYTHONPATH": os.pathsep.join(paths), **threads}
        self.silence_s = silence_s
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from tune_ks.data.child_process import serve; serve()", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # native decoders print parts of headers there
            env=environment,
        )
        assert self.process.stdin is not None  # both are pipes
        assert self.process.stdout is not None
        self.stdin = self.process.stdin
        self.stdout = self.process.stdout
        self.deadline = math.inf  # time by which the child must send something; infinite while it has no task
        self.closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def call(self, function: str, task: Task) -> Any:
        """``module:name`` called as ``name(report, **task)`` in the child.

        Raises ChildDied; the OSError by which the system refused the function something; RuntimeError where the
        function raised another exception.
        """
        kind, value = self._ask(function, task)
        if kind == "refused":
            raise OSError(*value)
        if kind == "error":
            raise RuntimeError(f"{function} failed in a child process:\n{value}")
        return value

    def _ask(self, function: str, task: Task) -> tuple[str, Any]:
        """(kind, value) of the answer, after any reports."""
        last_report = None
        try:
            self._extend_deadline()
            pickle.dump((function, task), self.stdin)
            self.stdin.flush()
            while True:
                kind, value = pickle.load(self.stdout)
                self._extend_deadline()
                if kind != "report":
                    return kind, value
                last_report = value
        except (OSError, EOFError, pickle.UnpicklingError, ValueError) as error:
            self.close()
            raise ChildDied(last_report) from error
        finally:
            self.deadline = math.inf

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self.closed.set()
        self.process.kill()
        for stream in (self.stdin, self.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self.process.wait()

    def _extend_deadline(self) -> None:
        self.deadline = time.monotonic() + self.silence_s

    def _watch(self) -> None:
        """Kill the child when it has been silent for too long.

        One thread for the child's whole life: a timer started for every message took a tenth of a scan's time.
        """
        while not self.closed.wait(min(self.silence_s, max(0.0, self.deadline - time.monotonic()))):
            if time.monotonic() >= self.deadline:
                self.process.kill()
                return


class ChildPool:
    """Up to ``workers`` children, kept from run to run, until the ``with`` ends.

    Those that ``begin_pool`` started are its first ones, the others are started when there is work for them.
    """

    def __init__(self, workers: int, silence_s: float = SILENCE_S) -> None:
        self.workers = workers
        self.silence_s = silence_s
        self.children = dict(enumerate(_take_begun()))
        self.is_closed = False

    def __enter__(self) -> "ChildPool":
        return self

    def __exit__(self, *failure: object) -> None:
        self.is_closed = True  # before the children end, so that no thread starts another one
        self.close()

    def close(self) -> None:
        """End every child, whatever it is doing."""
        for child in list(self.children.values()):
            child.close()
        self.children.clear()

    def child(self, number: int) -> Child:
        """Child ``number``, started where it is not running yet. ChildDied when the pool has ended."""
        if number not in self.children:
            self.children[number] = Child(self.silence_s)
        child = self.children[number]
        if self.is_closed:
            child.close()
            raise ChildDied(None)
        return child

    def run(self, function: str, tasks: Iterable[Task], revise: Callable[[Task, Any], Task | None]) -> Iterator[Any]:
        """Results of ``function`` over ``tasks``, in the order in which they are done.

        After a child died, ``revise(task, last_report)`` returns the task to try instead (without the file that was
        reported last), or None to give the task up. It is called from a thread.
        """
        run = _Run(self, function, tasks, revise)
        try:
            yield from run.results()
        finally:
            run.close()


class _Run:
    """One function over many tasks: one thread for each child gives it tasks and collects the results."""

    def __init__(
        self, pool: ChildPool, function: str, tasks: Iterable[Task], revise: Callable[[Task, Any], Task | None]
    ) -> None:
        self.pool = pool
        self.function = function
        self.revise = revise
        self.waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        for task in tasks:
            self.waiting.put(task)
        self.messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()  # kind: result, error or end
        self.stopped = threading.Event()
        self.running = max(1, min(pool.workers, self.waiting.qsize()))
        self.threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(self.running)
        ]

    def results(self) -> Iterator[Any]:
        """Start the threads; every result as it comes. Raises the exception of a task that failed."""
        for thread in self.threads:
            thread.start()
        while self.running:
            kind, value = self.messages.get()
            if kind == "error":
                raise value
            if kind == "result":
                yield value
            else:
                self.running -= 1

    def close(self) -> None:
        """Stop the threads. Where some still work, nobody waits for their results any more: their children are ended.

        The pool is closed twice, because a thread may start a child while the others are being closed.
        """
        self.stopped.set()
        if self.running:
            self.pool.close()
            for thread in self.threads:
                thread.join(timeout=5)
            self.pool.close()

    def _work(self, number: int) -> None:
        """Give tasks to child ``number`` until none is waiting."""
        try:
            while not (self.stopped.is_set() or self.pool.is_closed):
                self._finish(number, self.waiting.get_nowait())
        except queue.Empty:
            pass
        except Exception as error:
            self.messages.put(("error", error))
        finally:
            self.messages.put(("end", None))

    def _finish(self, number: int, task: Task | None) -> None:
        """Try one task, as often as ``revise`` asks for it."""
        while task is not None and not (self.stopped.is_set() or self.pool.is_closed):
            try:
                self.messages.put(("result", self.pool.child(number).call(self.function, task)))
                return
            except ChildDied as death:
                self.pool.children.pop(number, None)
                task = self.revise(task, death.last_report)


_begun: list[Child] = []  # that no pool has taken yet


def begin_pool(children: int, *modules: str) -> None:
    """Start children for the next ChildPool: they import ``modules`` beside what this process does next."""
    _begun.extend(Child(modules=modules) for _ in range(children - len(_begun)))


def _take_begun() -> list[Child]:
    taken = _begun.copy()
    _begun.clear()
    return taken


_shared: Child | None = None
_shared_lock = threading.Lock()


def call(function: str, task: Task) -> Any:
    """One call in a child that is kept for the next call. Raises ChildDied; the next call starts a new child."""
    global _shared
    with _shared_lock:
        try:
            return _kept_child().call(function, task)
        except ChildDied:
            _shared = None
            raise


def begin_call(*modules: str) -> None:
    """Start the child of the next ``call``: it imports ``modules`` beside what this process does next."""
    with _shared_lock:
        _kept_child(modules)


def _kept_child(modules: Iterable[str] = ()) -> Child:
    """The child that is kept from call to call, started where there is none."""
    global _shared
    if _shared is None:
        _shared = Child(modules=modules)
    return _shared


@atexit.register
def _close_all() -> None:
    """End the children that no pool has: as this process ends, nobody waits for them."""
    for child in [*_begun, *filter(None, [_shared])]:
        child.close()


in_child = False  # True in a child process: decode here, do not start another child


@contextlib.contextmanager
def _unused_absent() -> Iterator[None]:
    """While inside, UNUSED cannot be imported, as where they are not installed; what is imported later finds them."""
    absent = [name for name in UNUSED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = cast(ModuleType, None)  # an import of it then fails
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def function_named(name: str) -> Callable[..., Any]:
    """The function ``module:function`` of this program, whose module is imported."""
    module, function = name.split(":")
    called: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return called


def serve() -> None:
    """The loop of a child process: read a call, answer it, until the parent closes the pipe."""
    global in_child
    in_child = True
    limit_memory(DECODER_BYTES)
    ignore_signals(signal.SIGINT, signal.SIGTERM, HANGUP)  # meant for the parent, which ends its children
    answers = _take_stdout()

    def send(kind: str, value: Any) -> None:
        pickle.dump((kind, value), answers)
        answers.flush()

    with collected_rarely(), _unused_absent():
        for module in sys.argv[1:]:
            with contextlib.suppress(Exception):
                importlib.import_module(module)
    while True:
        try:
            function, task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            with collected_rarely():
                with _unused_absent():
                    called = function_named(function)
                send("done", called(lambda value: send("report", value), **task))
        except BrokenPipeError:
            return
        except Exception as error:
            if isinstance(error, OSError) and error.errno:  # of a full disk, or a closed folder: the parent raises it
                send("refused", (error.errno, error.strerror, error.filename))
            else:
                send("error", traceback.format_exc())


def _take_stdout() -> Any:
    """The pipe to the parent. Standard output then leads nowhere: what a native library prints is no answer."""
    answers = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    return answers
