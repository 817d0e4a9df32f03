"""What a person sees while it runs: stages with their time, a live table of trials, or plain lines in a log file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tune_ks.plan import Plan
from tune_ks.record import TrialConfig
from tune_ks.watch import Event

SHOWN = 12  # finished trials in the live table; all of them are in the report


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
    """The live table of a search: what runs, the latest results, how many are left and for how long.

    On a terminal it is redrawn in place; elsewhere each finished or failed job is one line.
    """

    def __init__(self, console: Console, plan: Plan) -> None:
        self.console = console
        self.left = plan.left
        self.done = self.failed = 0
        self.started = time.monotonic()
        self.running: dict[str, tuple[TrialConfig, float]] = {}
        self.results: list[tuple[TrialConfig, dict]] = []
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
        if not self.console.is_terminal:
            self.console.print(" ".join([self.headline(), "|", *_cells(config, event.result)]), soft_wrap=True)

    def headline(self) -> str:
        ended = self.done + self.failed
        share = ended + sum(share for _, share in self.running.values())
        elapsed = time.monotonic() - self.started
        eta = duration(elapsed * (self.left - share) / share) if share > 0.2 else "?"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{ended}/{self.left} trials{failed}, {len(self.running)} running, {duration(elapsed)}, ETA {eta}"

    def best(self) -> str:
        found = []
        for vendor in sorted({config.vendor for config, _ in self.results}):
            mine = [
                (r["val_in_domain"], c) for c, r in self.results if c.vendor == vendor and _number(r, "val_in_domain")
            ]
            if mine:
                value, config = max(mine, key=lambda pair: pair[0])
                found.append(f"{vendor} {value:.3f} at {config.sampling_rate:.3g}")
        return "best in-domain validation so far: " + ("; ".join(found) or "none yet")

    def __rich__(self) -> Group:
        table = Table("trained on", "mask", "rate", "in-domain val", "cross-domain val", "", box=None, pad_edge=False)
        for config, share in self.running.values():
            table.add_row(config.vendor, config.mask, f"{config.sampling_rate:.3g}", "", "", f"{share:.0%}")
        for config, result in self.results[-SHOWN:][::-1]:
            table.add_row(*_cells(config, result), style="dim")
        return Group(Text(self.headline(), style="bold"), table, Text(self.best()))


def duration(seconds: float) -> str:
    """45 s, 3 min 20 s, 2 h 05 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _cells(config: TrialConfig, result: dict) -> list[str]:
    numbers = [f"{result[n]:.3f}" if _number(result, n) else "-" for n in ("val_in_domain", "val_cross_domain")]
    return [config.vendor, config.mask, f"{config.sampling_rate:.3g}", *numbers, str(result.get("failed") or "")]


def _number(result: dict, name: str) -> bool:
    value = result.get(name)
    return value is not None and value == value
