"""The driver's eyes on a running search: Ray's callbacks as Events, how a worker died, and when everything stops."""

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ray import tune

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import Stop
from tune_ks.core.run_folder import RunFolder
from tune_ks.worker.attempts import DIED, HUNG, MEMORY, end_attempt
from tune_ks.worker.jobs import job_of, jobs_of

ENDS = ("finished", "failed", "stopped")
ESCAPES = 3  # errors of one job's own code, as no failing training makes them, after which the search ends
LOW_MEMORY = "running low on memory"  # of Ray's memory monitor; of every other death it says "maybe the OOM killer"


class Event(NamedTuple):
    """One thing that happened to a job, for whoever shows the progress."""

    job: str  # its name
    kind: str  # started | epoch | finished | stopped (early) | failed | lost (its process died; it is tried again)
    configs: list[TrialConfig]
    result: dict[str, Any]


class Halt(tune.Stopper):
    """Ends the whole search, once somebody has said why. No trial is stopped by it alone."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self.say = say or (lambda text: None)
        self.reason = ""
        self.interrupted = False
        self.at_once = False  # a second signal came

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles it into a state that nobody reads

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return bool(self.reason)

    def because(self, reason: str) -> None:
        """The first reason stands, and is said."""
        if not self.reason:
            self.reason = reason
            self.say(f"stopping: {reason}")

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGINT or SIGTERM once: halt and go on to the report; twice: KeyboardInterrupt. (Slurm, Kubernetes: TERM.)"""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def asked(number: int, frame: object) -> None:
            if self.interrupted:
                self.at_once = True
                raise KeyboardInterrupt
            self.interrupted = True
            self.because(f"{signal.Signals(number).name} came; what is finished is reported, once more stops at once")

        before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.at_once:  # where Ray was interrupted in a place that swallows it
            raise KeyboardInterrupt


class Watcher(tune.Callback):
    """Turns Ray's callbacks into Events, names how workers died, writes what a scheduler stopped, and stops the search
    when its storage fails.
    """

    def __init__(
        self,
        folder: RunFolder,
        session: str,
        hang_after: float,
        halt: Halt,
        show: Callable[[Event], None],
        stops: dict[str, list[Stop]],
    ) -> None:
        self.folder = folder
        self.session = session
        self.hang_after = hang_after
        self.halt = halt
        self.show = show
        self.stops = stops  # a job's name -> what its scheduler has just decided
        self.heard: dict[str, float] = {}  # when each of Ray's trials last said something
        self.escaped: Counter[str] = Counter()  # how often each of Ray's trials ended by an error of its own code
        self.ended: set[str] = set()  # names of jobs
        self.lost: list[list[TrialConfig]] = []  # jobs that Ray dropped though nothing is wrong with them

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its callbacks too, and a console cannot be

    def on_trial_start(self, iteration, trials, trial, **info) -> None:
        self._show_all("started", trial, {})

    def on_trial_result(self, iteration, trials, trial, result, **info) -> None:
        if result.get("storage"):
            self.halt.because(result["storage"])
        kind, (job, configs) = "epoch", job_of(trial, result)
        if job in self.ended:  # its process died after it: it says once more what it was
            return
        if stops := self.stops.pop(job, None):
            kind, result = "stopped", {**result, "stopped": stops[0].reason}
            try:
                for stop in stops:
                    self.folder.write_stop(stop)  # its worker waits in its report, and is ended after this
            except OSError as error:  # not written, so not stopped: it goes on when the search does
                self.halt.because(str(error))
        elif result.get("finished"):
            away = result.get("storage") or result.get("superseded")
            kind = "lost" if away else "failed" if result.get("failed") else "finished"
        if kind in ENDS:
            self.ended.add(job)
        self.heard[trial.trial_id] = time.monotonic()
        self.show(Event(job, kind, configs, result))

    def on_trial_recover(self, iteration, trials, trial, **info) -> None:
        """Its process died, or its node: Ray starts it again, and the worker reads what is written here.

        An error that came out of the trial's own code (a node with another version of it) would come again for ever.
        """
        silent = time.monotonic() - self.heard.get(trial.trial_id, time.monotonic())
        error = _last_error(trial)
        ended, detail = how_it_died(error, silent, self.hang_after)
        if came_from_code(error):
            self.escaped[trial.trial_id] += 1
            if self.escaped[trial.trial_id] == ESCAPES:
                self.halt.because(f"a trial cannot begin in its worker: {detail}. Does every node have this program?")
        for config in self._show_all("lost", trial, {"lost": detail}):
            with contextlib.suppress(OSError):  # then nobody knows why it died, and it is charged as a death
                end_attempt(self.folder, config.key(), self.session, ended, detail)

    def on_trial_error(self, iteration, trials, trial, **info) -> None:
        """Ray gives a trial up only when its node dies before it has begun: its jobs go to the next round."""
        self._show_all("lost", trial, {"lost": _last_error(trial)})
        self.lost += [configs for job, configs in jobs_of(trial) if job not in self.ended]

    def _show_all(self, kind: str, trial: Any, result: dict[str, Any]) -> list[TrialConfig]:
        """An event of every job that has not ended; returns their configs."""
        self.heard[trial.trial_id] = time.monotonic()
        left = [(job, configs) for job, configs in jobs_of(trial) if job not in self.ended]
        for job, configs in left:
            self.show(Event(job, kind, configs, result))
        return [config for _, configs in left for config in configs]


def how_it_died(error: str, silent: float, hang_after: float) -> tuple[str, str]:
    """(MEMORY, HUNG or DIED, what to tell) of a worker, from Ray's words and from the seconds that it was silent."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    memory = [line for line in lines if LOW_MEMORY in line]
    if memory:
        return MEMORY, memory[0].partition(". ")[0]
    if silent >= hang_after:
        return HUNG, f"no epoch ended within {hang_after:g} s"
    return DIED, lines[-1].partition(" Some common causes")[0] if lines else "nobody saw why"


def came_from_code(error: str) -> bool:
    """Whether Ray's words tell of an exception that a trial's code raised, not of a process or node that died."""
    return "ray::" in error


def _last_error(trial: Any) -> str:
    try:
        return Path(trial.error_file).read_text().rpartition("Failure #")[2]
    except (OSError, TypeError):
        return ""
