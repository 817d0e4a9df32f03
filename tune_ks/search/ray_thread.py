"""Ray's part of a search in a thread of its own, so that the main thread hears every signal and can go on without Ray.

A call to Ray that waits for a process of Ray's which is gone lets no signal through, and after a minute Ray ends the
whole program. So such calls are made in this thread alone, Ray is told to wait longer, and the main thread looks
whether Ray's first process, the GCS, still answers. Where it does not, the search ends with what the run folder holds.

The thread lives until Ray is shut down: Linux ends Ray's processes with the thread that started them.
"""

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import ray
from ray._private import auto_init_hook

# isort: split
import psutil  # Ray's own copy, which can be imported after it

from tune_ks.search.cluster import answers
from tune_ks.search.events import Halt

# seconds after the loss of the GCS until Ray ends the driver, which has its report by then. Ray's processes inherit it:
# where the driver was killed, two of them wait so long before they end
WAIT_FOR_GCS = {"RAY_gcs_rpc_server_reconnect_timeout_s": "300"}
LOOK_EVERY = 0.5  # seconds
SILENT_HERE = 1.0  # seconds without an answer after which Ray on this machine is gone; nobody starts it again
SILENT_THERE = 60.0  # the same of a cluster, whose GCS may be started again, or be cut off for a moment
END_WITHIN = 20.0  # seconds that Ray has for the end of a search that was told to stop
ANSWER_WITHIN = 5.0  # seconds


class RayThread:
    """A context for one search: ``run`` waits for the search, or until Ray is given up; on exit the thread ends."""

    def __init__(self, halt: Halt, on_cluster: bool) -> None:
        self.halt = halt
        self.silence = SILENT_THERE if on_cluster else SILENT_HERE
        self.gcs: str | None = None  # HOST:PORT, as soon as Ray is connected
        self.heard = 0.0  # when it answered
        self.news: queue.SimpleQueue[str] = queue.SimpleQueue()  # of the thread: "connected", "ended"
        self.may_search = threading.Event()
        self.may_end = threading.Event()
        self.has_ended = False
        self.given_up = False
        self.error: BaseException | None = None
        self.is_ours = not (on_cluster or ray.is_initialized())  # Ray: started by this search, on this machine
        self.before: set[psutil.Process] = set()
        self.processes: set[psutil.Process] = set()  # of Ray
        os.environ.update(WAIT_FOR_GCS)

    def __enter__(self) -> "RayThread":
        return self

    def __exit__(self, *failure: object) -> None:
        self.may_end.set()
        if self.given_up:  # without its GCS, Ray does not end all of its processes
            for process in self.processes:
                with contextlib.suppress(psutil.Error):
                    process.kill()

    def run(self, search: Callable[[], None]) -> None:
        """Run ``search`` in the thread; its exception is raised here. The halt has a reason where Ray was given up."""
        self.before = children()
        threading.Thread(target=self._work, args=(search,), daemon=True).start()
        try:
            while not (self.has_ended or self._is_over()):
                self._hear()
        finally:  # a second signal came, or Ray was given up: the thread may still be at work
            if not self.has_ended:
                self.given_up = True
                self.may_search.set()
                self._note_processes()
                auto_init_hook.enable_auto_connect = False  # its next call would start Ray, or join any cluster here
        if self.error is None or self._is_over():
            return
        if not self.halt.interrupted:
            raise self.error
        # as when a signal meets Ray at its start
        self._give_up(f"Ray ended with an error ({type(self.error).__name__})")

    def watch(self, gcs: str) -> None:
        """From now on the main thread looks whether the GCS at this address answers.

        It takes its signals back first: Ray, when it connects, puts handlers of its own below Python's, which print a
        stack.
        """
        self.heard = time.monotonic()
        self.gcs = gcs
        self.news.put("connected")
        self.may_search.wait()

    def _hear(self) -> None:
        """Wait a moment for news of the thread."""
        with contextlib.suppress(queue.Empty):
            news = self.news.get(timeout=LOOK_EVERY)
            self.has_ended = news == "ended"
            self.halt.take_signals()
            self._note_processes()
            self.may_search.set()

    def unless_given_up(self, show: Callable[[Any], None]) -> Callable[[Any], None]:
        """``show``, which is called no more when the main thread has gone on without Ray."""

        def show_unless_given_up(event: Any) -> None:
            if not self.given_up:
                show(event)

        return show_unless_given_up

    def _work(self, search: Callable[[], None]) -> None:
        try:
            search()
        except BaseException as error:  # whatever it is, it belongs to the main thread
            self.error = error
        finally:
            self.news.put("ended")
            self.may_end.wait()

    def _note_processes(self) -> None:
        if self.is_ours:
            self.processes |= children() - self.before

    def _is_over(self) -> bool:
        """Whether Ray is given up: it is gone, or does not come to an end. Gives the halt its reason."""
        if self._is_gone():
            self._give_up("Ray's processes are gone")
        elif not self.has_ended and self.halt.reason and time.monotonic() - self.halt.since > END_WITHIN:
            self._give_up(f"Ray did not end the search within {END_WITHIN:g} s")
        return self.given_up

    def _is_gone(self) -> bool:
        if self.gcs is None:
            return False
        if answers(self.gcs, ANSWER_WITHIN):
            self.heard = time.monotonic()
        return time.monotonic() - self.heard > self.silence

    def _give_up(self, reason: str) -> None:
        self.given_up = True
        self.halt.without_ray(reason)


def children() -> set[psutil.Process]:
    """The processes that this one has started, and those that they have started."""
    return set(psutil.Process().children(recursive=True))
