"""The stages of a command, each with its progress bar and its time; in a log file, lines."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tune_ks.commands import ticker


class Stages:
    """Prints the name of every stage, its progress bar and its time; ``budget`` is the times of all stages."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str, int, int], None]]:
        """Yields ``progress(step, done, total)``, which moves the bar of a step. A log file has a line a minute."""
        started = time.monotonic()
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        ]
        state = [name, ""]  # the step, and how long the rest of it takes

        def say_state() -> None:
            line = f"{state[0]}, {duration(time.monotonic() - started)}{state[1]}"
            self.console.print(line, soft_wrap=True, markup=False)

        lines = ticker.Ticker(say_state)
        if not self.console.is_terminal:
            lines.start()
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            tasks: dict[str, TaskID] = {}
            first: dict[str, tuple[float, int]] = {}  # of a step: when it reported first, and how much was done then

            def progress(step: str, done: int, total: int) -> None:
                now = time.monotonic()
                since, before = first.setdefault(step, (now, done))
                words = name if step == name else f"{name}: {step}"  # the phantom is a stage of one step
                state[:] = [f"{words} {done} of {total}", _rest(now - since, done - before, total - done)]
                if step not in tasks:
                    tasks[step] = bar.add_task(words, total=total)
                bar.update(tasks[step], completed=done, total=total)

            try:
                yield progress
            finally:
                lines.stop()
        self.add(name, time.monotonic() - started)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def budget(self) -> str:
        parts = [f"{name} {duration(seconds)}" for name, seconds in self.seconds.items()]
        return f"time: {', '.join(parts)}; together {duration(sum(self.seconds.values()))}"


def _rest(seconds: float, done: int, left: int) -> str:
    """ ", ETA 3 min 20 s" for ``left`` at the pace at which so much was done in these seconds; "" before any was."""
    return f", ETA {duration(seconds * left / done)}" if done > 0 and left > 0 else ""


def duration(seconds: float) -> str:
    """45 s, 3 min 20 s, 2 h 05 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
