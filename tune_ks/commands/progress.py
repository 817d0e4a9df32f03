"""What a person sees while it runs: stages with their time, a live table of trials, or plain lines in a log file."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.planning.plan import Plan
from tune_ks.search.events import Event
from tune_ks.training.tasks import title_of

SHOWN = 12  # finished trials in the live table, and running ones; all of them are in the report
SPOKEN, PAUSE = 20, 60.0  # finished jobs that a log file names; seconds between its lines after those
OBJECTIVES = ("val_in_domain", "val_cross_domain")


class Stages:
    """Prints each stage's name, its bar, and how long it took; ``budget`` says afterwards what all of them took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str, int, int], None]]:
        """Yields ``progress(what, done, total)``."""
        started = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(
            *columns, TimeRemainingColumn(), console=self.console, transient=True, disable=not self.console.is_terminal
        ) as bar:
            tasks: dict[str, int] = {}

            def progress(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(f"{name}: {what}", total=total)
                bar.update(tasks[what], completed=done, total=total)

            yield progress
        self.add(name, time.monotonic() - started)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def budget(self) -> str:
        parts = [f"{name} {duration(seconds)}" for name, seconds in self.seconds.items()]
        return f"time: {', '.join(parts)}; together {duration(sum(self.seconds.values()))}"


class TrialTable:
    """The live table of a search: what runs, the latest results, best and front so far, how many are left.

    On a terminal it is redrawn in place, within 80 columns. Elsewhere it is quiet: one line a failed job, and one a
    finished job for the first ``SPOKEN``; after those, where the search stands at most every ``PAUSE`` seconds.
    ``known`` records are in the best and the front from the start.
    """

    def __init__(self, console: Console, plan: Plan, known: Iterable[TrialRecord] = ()) -> None:
        self.console = console
        self.left = plan.left
        self.done = self.failed = self.stopped = 0
        self.started = self.spoken = time.monotonic()
        self.running: dict[str, tuple[TrialConfig, float]] = {}
        self.results: deque[tuple[TrialConfig, dict]] = deque(maxlen=SHOWN)
        self.best: dict[str, tuple[float, float, str]] = {}  # vendor -> in-domain metric, rate, the metric's title
        self.fronts: dict[str, list[tuple[float, float, float]]] = {}  # vendor -> in-domain, cross-domain, rate
        for record in known:
            self._rank(record.config, record.in_domain("val"), record.cross_domain("val"))
        self.live = Live(self, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "TrialTable":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.live.stop()

    def show(self, event: Event) -> None:
        config = event.configs[0]
        if event.kind in ("started", "epoch"):
            self.running[event.job] = (config, event.result.get("epoch_share", 0.0))
            return
        self.running.pop(event.job, None)
        if event.kind == "lost":
            if why := event.result.get("lost"):
                name = " ".join(_cells(config, {})[:3])
                self.console.print(f"{name}: tried again: {why}", soft_wrap=True, markup=False)
            return
        self.results.append((config, event.result))
        self.done += event.kind == "finished"
        self.failed += event.kind == "failed"
        self.stopped += event.kind == "stopped"
        if event.kind == "finished":
            self._rank(config, *(event.result.get(name, math.nan) for name in OBJECTIVES))
        if not self.console.is_terminal:
            self._say(config, event)

    def headline(self) -> str:
        ended = self.done + self.failed + self.stopped
        share = ended + sum(share for _, share in self.running.values())
        elapsed = time.monotonic() - self.started
        eta = duration(elapsed * (self.left - share) / share) if share > 0.2 else "?"
        counts = {"stopped early": self.stopped, "failed": self.failed}
        others = "".join(f", {count} {name}" for name, count in counts.items() if count)
        return f"{ended}/{self.left} trials{others}, {len(self.running)} running, {duration(elapsed)}, ETA {eta}"

    def standing(self) -> list[str]:
        """Best in-domain validation metric of each vendor, and how many points its front has, best in-domain first."""
        lines = []
        for vendor in sorted(self.best):
            value, rate, title = self.best[vendor]
            front = sorted(self.fronts.get(vendor, []), reverse=True)
            points = "  ".join(f"{r:.3g}: {i:.3f} {c:.3f}" for i, c, r in front)
            lines.append(f"{vendor} best {title} {value:.3f} at {rate:.3g}; front of {len(front)}: {points}")
        return lines

    def _rank(self, config: TrialConfig, in_domain: float, cross_domain: float) -> None:
        if math.isnan(in_domain):
            return
        best, front = self.best.get(config.vendor), self.fronts.setdefault(config.vendor, [])
        if best is None or in_domain > best[0]:
            self.best[config.vendor] = (in_domain, config.sampling_rate, title_of(config))
        if not math.isnan(cross_domain) and not any(i >= in_domain and c >= cross_domain for i, c, _ in front):
            kept = [point for point in front if point[0] > in_domain or point[1] > cross_domain]
            self.fronts[config.vendor] = [*kept, (in_domain, cross_domain, config.sampling_rate)]

    def _say(self, config: TrialConfig, event: Event) -> None:
        ended = self.done + self.failed + self.stopped
        if event.kind == "failed" or ended <= SPOKEN:
            self.console.print(" ".join([self.headline(), "|", *_cells(config, event.result)]), soft_wrap=True)
        elif time.monotonic() - self.spoken >= PAUSE or ended == self.left:
            self.spoken = time.monotonic()
            self.console.print(" | ".join([self.headline(), *self.standing()]), soft_wrap=True)

    def __rich__(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for name in ("trained on", "mask", "rate", "val in-domain", "val cross", ""):
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        for config, share in [*self.running.values()][:SHOWN]:
            table.add_row(*_cells(config, {})[:3], "", "", f"{share:.0%}")
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


def _cells(config: TrialConfig, result: dict) -> list[str]:
    numbers = [f"{result[n]:.3f}" if _number(result, n) else "-" for n in OBJECTIVES]
    why = str(result.get("failed") or result.get("stopped") or "")
    return [config.vendor, config.mask, f"{config.sampling_rate:.3g}", *numbers, why]


def _number(result: dict, name: str) -> bool:
    value = result.get(name)
    return value is not None and value == value
