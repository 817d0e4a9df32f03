"""What the driver sees of a running search: Ray's callbacks as Events, how a worker died, when it ends early."""

import contextlib
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from tune_ks.core.config import TrialConfig
from tune_ks.core.interrupts import SAME, interruption
from tune_ks.core.record import Stop
from tune_ks.core.run_folder import RunFolder
from tune_ks.search.event import Event
from tune_ks.worker.attempts import DIED, HUNG, MEMORY, end_attempt
from tune_ks.worker.jobs import job_of, jobs_of

ENDS = ("finished", "failed", "stopped")
ESCAPES = 3  # times that a trial's code may raise, which no failing training does, before the search ends
HEARD = (signal.SIGINT, signal.SIGTERM)
LOW_MEMORY = "running low on memory"  # said by Ray's memory monitor; of other deaths it says "maybe the OOM killer"


class Halt(tune.Stopper):
    """Ends the whole search once it was given a reason. It never stops a single trial. ``say`` prints a line.

    A search with a ``deadline`` (of time.monotonic) also ends there. That is no fault, and needs no reason.
    """

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self.say = say or (lambda text: None)
        self.reason = ""
        self.since = math.inf  # time.monotonic() of the reason
        self.interrupted = False  # by a signal or by the loss of Ray, which is no fault of the run folder's
        self.deadline = math.inf
        self.last_signal: tuple[int, float] | None = None  # its number, and time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles it into a state that nobody reads

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return bool(self.reason) or self.is_late

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.deadline

    def because(self, reason: str) -> None:
        """Give a reason to end. The first one is kept and printed."""
        if not self.reason:
            self.reason = reason
            self.since = time.monotonic()
            self.say(f"stopping: {reason}")

    def without_ray(self, reason: str) -> None:
        """End because Ray is of no more use: what the run folder holds is reported."""
        if self.reason:
            self.say(f"{reason}: what is finished is reported without it")
        self.because(f"{reason}; what is finished is reported")
        self.interrupted = True

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """SIGINT or SIGTERM (of Slurm, Kubernetes) once: halt, then write the report; twice: KeyboardInterrupt."""
        before = {number: signal.getsignal(number) for number in HEARD}
        interruption.forget()
        self.take_signals()
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def take_signals(self) -> None:
        """Hear the signals from now on, also where Ray took them meanwhile; nothing outside the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in HEARD:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if self.last_signal is None:
            self.last_signal = (number, now)
            self.interrupted = True
            name = signal.Signals(number).name
            text = f"{name} came; what is finished is reported, once more stops at once"
            if self.reason:
                self.say(text)
            self.because(text)
        elif self.last_signal[0] != signal.SIGTERM or number != signal.SIGTERM or now - self.last_signal[1] > SAME:
            interruption(number, frame)


class Watcher(tune.Callback):
    """Turns Ray's callbacks into Events.

    It writes how workers died and which configs a scheduler stopped, and halts the search when its storage fails.
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
        self.stops = stops  # name of a job -> stops that its scheduler has just decided
        self.heard: dict[str, float] = {}  # id of a Ray trial -> time of its last report
        self.escaped: Counter[str] = Counter()  # id of a Ray trial -> how often its code raised
        self.ended: set[str] = set()  # names of jobs
        self.lost: list[list[TrialConfig]] = []  # jobs that Ray gave up although nothing is wrong with them

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its callbacks, and a console cannot be pickled

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._show_all("started", trial, {})

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if result.get("storage"):
            self.halt.because(result["storage"])
        job, configs = job_of(trial, result)
        if job in self.ended:  # after the death of its process a trial reports its ended jobs again
            return
        stops = self.stops.pop(job, [])
        if stops:
            self._write(stops)
            result = {**result, "stopped": stops[0].reason}
        kind = "stopped" if stops else kind_of(result)
        if kind in ENDS:
            self.ended.add(job)
        self.heard[trial.trial_id] = time.monotonic()
        self.show(Event(job, kind, configs, result))

    def _write(self, stops: list[Stop]) -> None:
        """Write the stops, while the worker waits in its report. Where they cannot be written, the search halts."""
        try:
            for stop in stops:
                self.folder.write_stop(stop)
        except OSError as error:
            self.halt.because(str(error))

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """The process of a trial died, or its node. Ray starts the trial again; its worker reads what is written here.

        An error that the trial's code raised (on a node with another version of it) would repeat for ever.
        """
        silent = time.monotonic() - self.heard.get(trial.trial_id, time.monotonic())
        error = _last_error(trial)
        ended, detail = how_it_died(error, silent, self.hang_after)
        if came_from_code(error):
            self.escaped[trial.trial_id] += 1
            if self.escaped[trial.trial_id] == ESCAPES:
                self.halt.because(f"a trial cannot begin in its worker: {detail}. Does every node have this program?")
        for config in self._show_all("lost", trial, {"lost": detail}):
            with contextlib.suppress(OSError):  # an attempt without an end counts as a death
                end_attempt(self.folder, config.key(), self.session, ended, detail)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Ray gives a trial up only when its node dies before it has started: its jobs go to the next fit."""
        self._show_all("lost", trial, {"lost": _last_error(trial)})
        self.lost += [configs for job, configs in jobs_of(trial) if job not in self.ended]

    def _show_all(self, kind: str, trial: Any, result: dict[str, Any]) -> list[TrialConfig]:
        """Show an event of every job of a trial that has not ended; returns their configs."""
        self.heard[trial.trial_id] = time.monotonic()
        shown: list[TrialConfig] = []
        for job, configs in jobs_of(trial):
            if job not in self.ended:
                self.show(Event(job, kind, configs, result))
                shown += configs
        return shown


def kind_of(result: dict[str, Any]) -> str:
    """The kind of event that a report is, when no scheduler stopped its job."""
    if not result.get("finished"):
        return "epoch"
    if result.get("storage") or result.get("superseded"):
        return "lost"
    return "failed" if result.get("failed") else "finished"


def how_it_died(error: str, silent: float, hang_after: float) -> tuple[str, str]:
    """(MEMORY, HUNG or DIED, text for the user) of a worker, from Ray's message and its ``silent`` seconds."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    memory = [line for line in lines if LOW_MEMORY in line]
    if memory:
        return MEMORY, memory[0].partition(". ")[0]
    if silent >= hang_after:
        return HUNG, f"no epoch ended within {hang_after:g} s"
    return DIED, lines[-1].partition(" Some common causes")[0] if lines else "nobody saw why"


def came_from_code(error: str) -> bool:
    """Whether Ray's message is of an exception that a trial's code raised, not of a process or node that died."""
    return "ray::" in error


def _last_error(trial: Any) -> str:
    try:
        return Path(trial.error_file).read_text().rpartition("Failure #")[2]
    except (OSError, TypeError):
        return ""
