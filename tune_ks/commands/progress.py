"""What the user sees while a command runs: stages with their time, a live table of trials, or lines in a log file."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tune_ks.commands import ticker
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.planning.plan import Plan
from tune_ks.search.events import Event
from tune_ks.training.tasks import title_of

SHOWN = 12  # finished trials in the live table, and as many running ones; the report has all of them
SPOKEN = 20  # finished jobs that get a line of a log file; then the state of the search has one, every ticker.PAUSE
OBJECTIVES = ("val_in_domain", "val_cross_domain")


class Point(NamedTuple):
    """A finished config with a result: what it is compared by, and the sampling rate."""

    in_domain: float
    cross_domain: float
    rate: float
    title: str  # of the metric

    def is_dominated_by(self, other: "Point") -> bool:
        return other.in_domain >= self.in_domain and other.cross_domain >= self.cross_domain


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
        state = [name]  # and, once there is one, the last step

        def say_state() -> None:
            line = f"{': '.join(state)}, {duration(time.monotonic() - started)}"
            self.console.print(line, soft_wrap=True, markup=False)

        lines = ticker.Ticker(say_state)
        if not self.console.is_terminal:
            lines.start()
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as bar:
            tasks: dict[str, int] = {}

            def progress(step: str, done: int, total: int) -> None:
                state[1:] = [f"{step} {done} of {total}"]
                if step not in tasks:
                    tasks[step] = bar.add_task(f"{name}: {step}", total=total)
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


class TrialTable:
    """The live table of a search: running trials, latest results, best and Pareto front so far, how many are left.

    On a terminal it is redrawn in place, within 80 columns. Elsewhere it prints one line when the first job starts, one
    per failed job and per finished job, of these for the first ``SPOKEN`` only; and the state of the search a minute
    after the last line. The records that were ``known`` before count for the best and the front.
    """

    def __init__(self, console: Console, plan: Plan, known: Iterable[TrialRecord] = ()) -> None:
        self.console = console
        self.left = plan.left
        self.done = self.failed = self.stopped = 0
        self.started = self.spoken = time.monotonic()
        self.running: dict[str, tuple[TrialConfig, dict]] = {}  # name of a job -> its first config, its last report
        self.results: deque[tuple[TrialConfig, dict]] = deque(maxlen=SHOWN)
        self.best: dict[str, Point] = {}  # vendor -> highest in-domain metric
        self.fronts: dict[str, list[Point]] = {}  # vendor -> Pareto front
        for record in known:
            self._rank(record.config, record.in_domain("val"), record.cross_domain("val"))
        self.live = Live(self, console=console, refresh_per_second=2, transient=True)
        self.ticker = ticker.Ticker(self.say_state)

    def __enter__(self) -> "TrialTable":
        if self.console.is_terminal:
            self.live.start()
        else:
            self.ticker.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.live.stop()
        self.ticker.stop()

    def show(self, event: Event) -> None:
        config = event.configs[0]
        if event.kind in ("started", "epoch"):
            self._note_running(event)
            return
        self.running.pop(event.job, None)
        if event.kind == "lost":
            self._say_lost(config, event.result.get("lost"))
            return
        self.results.append((config, event.result))
        self.done += event.kind == "finished"
        self.failed += event.kind == "failed"
        self.stopped += event.kind == "stopped"
        if event.kind == "finished":
            in_domain, cross_domain = (event.result.get(name, math.nan) for name in OBJECTIVES)
            self._rank(config, in_domain, cross_domain)
        if not self.console.is_terminal:
            self._say(config, event)

    def headline(self) -> str:
        ended = self.done + self.failed + self.stopped
        share = ended + sum(result.get("epoch_share", 0.0) for _, result in list(self.running.values()))
        elapsed = time.monotonic() - self.started
        eta = duration(elapsed * (self.left - share) / share) if share else "after the first epoch"
        counts = {"stopped early": self.stopped, "failed": self.failed}
        others = "".join(f", {count} {name}" for name, count in counts.items() if count)
        return f"{ended}/{self.left} trials{others}, {len(self.running)} running, {duration(elapsed)}, ETA {eta}"

    def standing(self) -> list[str]:
        """A line per vendor: its best in-domain validation metric, and its Pareto front, best in-domain first."""
        lines = []
        for vendor in sorted(self.best):
            best = self.best[vendor]
            front = sorted(self.fronts.get(vendor, []), reverse=True)
            points = ", ".join(f"{p.rate:.3g}: {p.in_domain:.3f}/{p.cross_domain:.3f}" for p in front)
            lines.append(
                f"{vendor} best val {best.title} {best.in_domain:.3f} at rate {best.rate:.3g}; "
                f"front (rate: in-domain/cross): {points or 'none'}"
            )
        return lines

    def say_state(self) -> None:
        """Print a line with the state of the search, unless a line came less than a minute ago."""
        now = time.monotonic()
        if now - self.spoken < ticker.PAUSE:
            return
        self.spoken = now
        running = [running_line(config, result) for config, result in list(self.running.values())[:1]]
        self.console.print(" | ".join([self.headline(), *running, *self.standing()]), soft_wrap=True, markup=False)

    def _note_running(self, event: Event) -> None:
        is_first = not self.running and not self.results
        self.running[event.job] = (event.configs[0], event.result)
        if is_first and event.kind == "started" and not self.console.is_terminal:
            self.console.print(self.headline(), soft_wrap=True, markup=False)

    def _rank(self, config: TrialConfig, in_domain: float, cross_domain: float) -> None:
        """Enter a result into the best and the front of its vendor; one without the metric into neither."""
        if math.isnan(in_domain):
            return
        point = Point(in_domain, cross_domain, config.sampling_rate, title_of(config))
        best = self.best.get(config.vendor)
        if best is None or in_domain > best.in_domain:
            self.best[config.vendor] = point
        front = self.fronts.setdefault(config.vendor, [])
        if not math.isnan(cross_domain) and not any(point.is_dominated_by(other) for other in front):
            kept = [other for other in front if not other.is_dominated_by(point)]
            self.fronts[config.vendor] = [*kept, point]

    def _say_lost(self, config: TrialConfig, reason: str | None) -> None:
        if reason:
            name = " ".join(_cells(config, {})[:3])
            self.console.print(f"{name}: tried again: {reason}", soft_wrap=True, markup=False)

    def _say(self, config: TrialConfig, event: Event) -> None:
        ended = self.done + self.failed + self.stopped
        if event.kind == "failed" or ended <= SPOKEN:
            self.spoken = time.monotonic()
            line = f"{self.headline()} | {ended_line(config, event.result)}"
            self.console.print(line, soft_wrap=True, markup=False)
            return
        if ended == self.left:
            self.spoken = -math.inf
        self.say_state()

    def __rich__(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for name in ("trained on", "mask", "rate", "val in-domain", "val cross", ""):
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        for config, result in list(self.running.values())[:SHOWN]:
            table.add_row(*_cells(config, {})[:3], "", "", _running_cell(result))
        if len(self.running) > SHOWN:
            table.add_row("", "", "", "", "", f"and {len(self.running) - SHOWN} more")
        for config, result in reversed(self.results):
            table.add_row(*_cells(config, result), style="dim")
        standing = (Text(line, no_wrap=True, overflow="ellipsis") for line in self.standing())
        return Group(Text(self.headline(), style="bold"), table, *standing)


def duration(seconds: float) -> str:
    """45 s, 3 min 20 s, 2 h 05 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def running_line(config: TrialConfig, result: dict) -> str:
    """The last report of a job that runs: "GE gumbel rate 0.25: epoch 3 of 20, loss 0.512"."""
    name = f"running: {config.vendor} {config.mask} rate {config.sampling_rate:.3g}"
    if "epoch" not in result:
        return f"{name}: epoch 1 of {config.epochs}"
    return f"{name}: epoch {result['epoch']} of {config.epochs} done, loss {_cell(result.get('loss'))}"


def ended_line(config: TrialConfig, result: dict) -> str:
    """How a job ended: "GE gumbel rate 0.25: val AUC in-domain 0.812, cross 0.734", and the reason of another end."""
    vendor, mask, rate, in_domain, cross_domain, reason = _cells(config, result)
    line = f"{vendor} {mask} rate {rate}: val {title_of(config)} in-domain {in_domain}, cross {cross_domain}"
    return f"{line}; {reason}" if reason else line


def _running_cell(result: dict) -> str:
    """How far a running job is: "45%, loss 0.512"."""
    share = f"{result.get('epoch_share', 0.0):.0%}"
    return f"{share}, loss {_cell(result['loss'])}" if "loss" in result else share


def _cells(config: TrialConfig, result: dict) -> list[str]:
    """A row of the table: vendor, mask, rate, the two objectives, and why it ended early or failed."""
    numbers = [_cell(result.get(name)) for name in OBJECTIVES]
    reason = str(result.get("failed") or result.get("stopped") or "")
    return [config.vendor, config.mask, f"{config.sampling_rate:.3g}", *numbers, reason]


def _cell(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
