"""What the user sees while trials run: a live table of them, or lines in a log file."""

import math
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tune_ks.commands import ticker
from tune_ks.commands.stages import duration
from tune_ks.core.config import TrialConfig
from tune_ks.core.rate_words import rate_tick, rate_words
from tune_ks.core.record import TrialRecord
from tune_ks.planning.plan import Plan
from tune_ks.search.event import Event
from tune_ks.training.tasks import title_of

SHOWN = 12  # finished trials in the live table, and as many running ones; the report has all of them
POINTS = 3  # of a front: with its words two lines of 80 letters
RUNNING = 3  # running trials in the state of a log file
SPOKEN = 20  # finished jobs that get a line of a log file; then the state of the search has one, every ticker.PAUSE
COURSE = ("epoch", "loss")  # what the end of a job does not report again
OBJECTIVES = ("val_in_domain", "val_cross_domain")
COLUMNS = {  # of the table -> its width in a log file, in letters; the last one has the rest of 80
    "trained on": 10,
    "mask": 16,
    "rate": 7,
    "epoch": 9,
    "loss": 6,
    "in-domain": 9,
    "cross": 6,
    "": 10,
}
TEXTS = ("trained on", "mask", "")  # the columns that are no numbers


class Point(NamedTuple):
    """A finished config with a result: what it is compared by, and the sampling rate."""

    in_domain: float
    cross_domain: float
    rate: float
    title: str  # of the metric

    def is_dominated_by(self, other: "Point") -> bool:
        return other.in_domain >= self.in_domain and other.cross_domain >= self.cross_domain


class TrialTable:
    """The live table of a search: running trials, latest results, best and Pareto front so far, how many are left.

    On a terminal it is redrawn in place, within 80 columns. Elsewhere it prints the names of the columns at once, and
    then rows of at most 80 letters: one when the first job starts, one per failed job and per finished job, of these
    for the first ``SPOKEN`` only; and the state of the search a minute after the last line. In-domain and cross are of
    validation. The records that were ``known`` before count for the best and the front.
    """

    def __init__(self, console: Console, plan: Plan, known: Iterable[TrialRecord] = ()) -> None:
        self.console = console
        self.left = plan.left
        self.slots: int | None = None  # trials at once; None until Ray has said it
        self.first_fits: tuple[float, int] | None = None  # when images were fitted first, and how many were then
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
            self._print(self.headline())
            self._print(_line({name: name for name in COLUMNS}))
            self.ticker.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.live.stop()
        self.ticker.stop()

    def has_slots(self, slots: int) -> None:
        """Ray has started, and so many trials run at once."""
        self.slots = slots

    def show(self, event: Event) -> None:
        config = event.configs[0]
        if event.kind in ("started", "epoch"):
            self._note_running(event)
            return
        _, last_report = self.running.pop(event.job, (config, {}))
        if event.kind == "lost":
            self._say_lost(config, event.result.get("lost"))
            return
        course = {name: last_report[name] for name in COURSE if name in last_report}
        self.results.append((config, {**course, **event.result}))
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
        counts = {"stopped early": self.stopped, "failed": self.failed}
        parts = [f"{ended}/{self.left} trials", *[f"{count} {name}" for name, count in counts.items() if count]]
        parts += [
            self._at_work(),
            *self._fitting(),
            duration(time.monotonic() - self.started),
            f"ETA {self._eta(ended)}",
        ]
        return ", ".join(parts)

    def _at_work(self) -> str:
        """How many trials run, and in how many slots."""
        if not self.running and not self.results and self.slots is None:
            return "Ray starts"
        slots = "" if self.slots is None else f" in {self.slots} slot{'s' * (self.slots != 1)}"
        return f"{len(self.running)} running{slots}"

    def _eta(self, ended: int) -> str:
        share = ended + sum(result.get("epoch_share", 0.0) for _, result in list(self.running.values()))
        elapsed = time.monotonic() - self.started
        return duration(elapsed * (self.left - share) / share) if share else "after the first epoch"

    def _fitting(self) -> list[str]:
        """How many images the harmonisation was fitted to, which comes before the first epoch; [] where none is now."""
        fits = [result for _, result in list(self.running.values()) if "to_fit" in result]
        if not fits or self.first_fits is None:
            return []
        furthest = max(fits, key=lambda result: result["fitted"])
        done, total = furthest["fitted"], furthest["to_fit"]
        since, before = self.first_fits
        words = f"harmonisation fitted to {done:,} of {total:,} images"
        if done > before:
            words += f", {duration((time.monotonic() - since) * (total - done) / (done - before))} left"
        return [words]

    def standing(self) -> list[str]:
        """A line per vendor: its best in-domain validation metric, and its Pareto front, best in-domain first."""
        lines = []
        for vendor in sorted(self.best):
            best = self.best[vendor]
            front = sorted(self.fronts.get(vendor, []), reverse=True)
            shown = [f"{rate_tick(p.rate)}: {p.in_domain:.3f}/{p.cross_domain:.3f}" for p in front[:POINTS]]
            points = ", ".join(shown) + (f" and {len(front) - POINTS} more" if len(front) > POINTS else "")
            lines.append(
                f"{vendor} best val {best.title} {best.in_domain:.3f} at rate {rate_words(best.rate)}; "
                f"front (rate: in-domain/cross): {points or 'none'}"
            )
        return lines

    def say_state(self) -> None:
        """Print the state of the search, unless a line came less than a minute ago."""
        now = time.monotonic()
        if now - self.spoken < ticker.PAUSE:
            return
        self.spoken = now
        self._print(self.headline())
        for config, result in list(self.running.values())[:RUNNING]:
            self._print(_line(_cells(config, result)))
        for line in self.standing():
            self._print(line)

    def _print(self, line: str) -> None:
        """Print a line of a log file; a longer one is folded at the console's width."""
        self.console.print(line, markup=False)

    def _note_running(self, event: Event) -> None:
        is_first = not self.running and not self.results
        self.running[event.job] = (event.configs[0], event.result)
        if "to_fit" in event.result and self.first_fits is None:
            self.first_fits = (time.monotonic(), event.result["fitted"])
        if is_first and event.kind == "started" and not self.console.is_terminal:
            self._print(self.headline())

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
            self._print(f"{config.vendor} {config.mask} {rate_tick(config.sampling_rate)}: tried again: {reason}")

    def _say(self, config: TrialConfig, event: Event) -> None:
        ended = self.done + self.failed + self.stopped
        if event.kind == "failed" or ended <= SPOKEN:
            self.spoken = time.monotonic()
            self._print(_line(_cells(*self.results[-1], f"{ended}/{self.left}")))
            if reason := _reason(event.result):
                self._print(f"  {event.kind}: {reason}")
        if ended == self.left:
            self.spoken = -math.inf
        self.say_state()

    def __rich__(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for name in COLUMNS:
            justify: Literal["left", "right"] = "left" if name in TEXTS else "right"
            table.add_column(name, no_wrap=True, overflow="ellipsis", justify=justify)
        for config, result in list(self.running.values())[:SHOWN]:
            table.add_row(*_cells(config, result, "running").values())
        if len(self.running) > SHOWN:
            table.add_row(*[""] * (len(COLUMNS) - 1), f"+{len(self.running) - SHOWN} more")
        for config, result in reversed(self.results):
            table.add_row(*_cells(config, result, _end(result)).values(), style="dim")
        trouble = [Text(line, no_wrap=True, overflow="ellipsis") for line in self._last_trouble()]
        return Group(Text(self.headline(), style="bold"), table, *trouble, *map(Text, self.standing()))

    def _last_trouble(self) -> list[str]:
        """Why the last of the trials shown that ended early or failed did so."""
        for config, result in reversed(self.results):
            if reason := _reason(result):
                return [f"{_end(result)}: {config.vendor} {config.mask} {rate_tick(config.sampling_rate)}: {reason}"]
        return []


def _cells(config: TrialConfig, result: Mapping[str, Any], last: str = "running") -> dict[str, str]:
    """Column -> cell of a trial: vendor, mask, rate, epoch of epochs, loss, the two objectives, and ``last``."""
    in_domain, cross_domain = (_cell(result.get(name)) for name in OBJECTIVES)
    values = [
        config.vendor,
        config.mask,
        rate_tick(config.sampling_rate),
        _epoch(config, result),
        _cell(result.get("loss")),
        in_domain,
        cross_domain,
        last,
    ]
    return dict(zip(COLUMNS, values))


def _epoch(config: TrialConfig, result: Mapping[str, Any]) -> str:
    """ "3/60"; of a job of several trainings, which are not at one epoch, the share that is done.

    "fits 12%" while the harmonisation is fitted, before the first epoch. "-" of a job that failed before an epoch
    ended: its share says only that nothing of it is left to do.
    """
    if "to_fit" in result:
        return f"fits {result['fitted'] / result['to_fit']:.0%}"
    if "epoch" in result:
        return f"{int(result['epoch'])}/{config.epochs}"
    share = result.get("epoch_share")
    if share is None:
        return f"0/{config.epochs}"
    return "-" if result.get("failed") else f"{share:.0%}"


def _reason(result: Mapping[str, Any]) -> str:
    """Why a job ended early or failed; "" where it did neither."""
    return str(result.get("failed") or result.get("stopped") or "")


def _end(result: Mapping[str, Any]) -> str:
    """How a job ended that is not simply done: "failed", "stopped"."""
    return next((name for name in ("failed", "stopped") if result.get(name)), "")


def _line(cells: Mapping[str, str]) -> str:
    """A row of a log file: the cells in the widths of COLUMNS."""
    parts = []
    for name, width in COLUMNS.items():
        text = cells[name]
        short = text if len(text) <= width else f"{text[: width - 1]}…"
        parts.append(short.ljust(width) if name in TEXTS else short.rjust(width))
    return " ".join(parts).rstrip()


def _cell(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
