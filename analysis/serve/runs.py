"""The runs that are served, and their analyses: each made again when its folder has changed and somebody looks."""

import itertools
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from queue import Queue
from typing import Any, NamedTuple

from analysis.read.load import RunError, existing_folder
from analysis.read.stamps import stamps
from analysis.report.page import RenderedSection
from analysis.report.report import rendered_sections, title_of
from analysis.results.run_row import RunRow, run_row
from analysis.results.selection_json import choice_values
from analysis.results.settings import computed_with, last_settings
from analysis.results.synthetic import phantom_mark
from analysis.results.two_runs import Side, side
from tune_ks.core.storage import StoragePath, without_place

BAD_INPUT = (RunError, OSError, ArithmeticError, RecursionError)  # as the command without a server says them


class Made(NamedTuple):
    """What one analysis of a run has left: the page's sections, and values for lists and comparisons."""

    number: int  # of the analysis, among all that this server made
    stamps: dict[StoragePath, int]  # of the folder, before it was read
    clock: str
    counts: str = ""
    title: str = ""
    mark: str = ""
    sections: list[RenderedSection] = []  # noqa: RUF012 - read only
    selection: Mapping[str, Any] = {}  # what selection.json would say of the choices
    side: Side | None = None
    fault: str = ""  # why there is no analysis; then all above is empty


class LiveRun:
    """One run folder, and its newest analysis."""

    numbers = itertools.count(1)

    def __init__(self, name: str, root: StoragePath, settings: Mapping[str, Any] | None, images: bool) -> None:
        self.name = name
        self.root = root
        self.settings = settings  # of analyse(); None: those of the run's last analysis
        self.images = images  # False: no patient's image, whatever the settings say
        self.made: Made | None = None
        self.is_asked = False  # its analysis waits, or is being made
        self.begun: float | None = None  # of the clock, where it is being made

    def is_stale(self) -> bool:
        """Whether there is no analysis of the folder as it is now."""
        return self.made is None or stamps(self.root) != self.made.stamps

    def progress(self) -> str:
        """How far the first analysis is, in words."""
        if self.made is not None:
            return "ready"
        begun = self.begun
        return "waits its turn" if begun is None else f"{time.monotonic() - begun:.0f} s so far"

    def make(self) -> None:
        """Analyse the folder. An earlier page stays until the new one is there; nothing is written."""
        self.begun = time.monotonic()
        now = stamps(self.root)
        try:
            made = self._analysed(now)
        except BAD_INPUT as error:
            made = Made(next(self.numbers), now, _clock(), fault=without_place(str(error), self.root))
        except Exception as error:  # a server must outlive a fault of one analysis; it is shown in place of the page
            reason = f"the analysis failed, which is a fault of this program: {type(error).__name__}: {error}"
            made = Made(next(self.numbers), now, _clock(), fault=without_place(reason, self.root))
        self.made = made

    def _analysed(self, now: dict[StoragePath, int]) -> Made:
        settings = dict(self._settings())
        images = settings.pop("images", True) and self.images
        analysis = replace(computed_with(self.root, settings), images=images)
        selection = choice_values(analysis)
        return Made(
            number=next(self.numbers),
            stamps=now,
            clock=_clock(),
            counts=analysis.run.counts(),
            title=title_of(analysis),
            mark=phantom_mark(analysis),
            sections=rendered_sections(analysis),
            selection=selection,
            side=side(self.name, analysis, selection),
        )

    def _settings(self) -> Mapping[str, Any]:
        if self.settings is not None:
            return self.settings
        analysed_before = (self.root / "selection.json").exists()
        return last_settings(self.root) if analysed_before else {}

    def row(self) -> RunRow:
        """What a list of runs says of it: of this server's analysis, or of the last one before it."""
        seconds = max(stamps(self.root).values(), default=float("nan")) / 1e9
        selection = self.made.selection if self.made and not self.made.fault else None
        row = run_row(self.name, self.root, seconds, selection)
        return row._replace(fault=row.fault or self.made.fault) if self.made else row


class Runs:
    """One run folder, or all that lie directly in a folder. One thread makes the analyses, one after the other."""

    def __init__(
        self, place: str | StoragePath, settings: Mapping[str, Any], are_defaults: bool = True, images: bool = True
    ) -> None:
        """RunError where ``place`` is no run folder and holds none.

        ``settings`` are those of analyse(). Where they are all defaults, the runs of a folder have those of their last
        analysis.
        """
        self.root = _existing(place)
        self.is_folder = not _is_run(self.root)
        self.settings = None if self.is_folder and are_defaults else settings
        self.images = images
        self.known: dict[str, LiveRun] = {}
        self.lock = threading.Lock()
        self.waiting: Queue[LiveRun] = Queue()
        if self.is_folder and not self.all():
            raise RunError(
                f"{self.root} is not a run folder (it holds neither search.json nor trials/), nor does it hold any: "
                "give a run folder, or the folder that holds several"
            )
        threading.Thread(target=self._work, daemon=True).start()

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.resolve().name or "runs"

    def all(self) -> list[LiveRun]:
        """The runs that are there now, in order of name."""
        roots = _runs_in(self.root) if self.is_folder else {self.name: self.root}
        with self.lock:
            for name, root in roots.items():
                if name not in self.known:
                    self.known[name] = LiveRun(name, root, self.settings, self.images)
            return [self.known[name] for name in roots]

    def get(self, name: str) -> LiveRun | None:
        """The run of this name; None where none of those that are served has it."""
        return next((run for run in self.all() if run.name == name), None)

    def ask(self, run: LiveRun) -> None:
        """Have the run analysed where its folder has changed since; returns at once."""
        if not run.is_stale():
            return
        with self.lock:
            if run.is_asked:
                return
            run.is_asked = True
        self.waiting.put(run)

    def wait(self) -> None:
        """Return when every analysis that was asked for is made."""
        self.waiting.join()

    def _work(self) -> None:
        while True:
            run = self.waiting.get()
            run.make()
            run.is_asked = False
            self.waiting.task_done()


def _existing(place: str | StoragePath) -> StoragePath:
    return existing_folder(
        place,
        "the run folder that run_search.py printed, or its parent",
        "a run folder, or the folder that holds several",
    )


def _is_run(folder: StoragePath) -> bool:
    return (folder / "search.json").exists() or (folder / "trials").is_dir()


def _runs_in(folder: StoragePath) -> dict[str, StoragePath]:
    """Name -> run folder, of those directly below; a link, which may lead elsewhere, is left out."""
    roots = {}
    inside: list[StoragePath] = list(folder.iterdir())
    for path in sorted(inside, key=lambda path: path.name):
        is_link = getattr(path, "is_symlink", bool)()  # a store has no links
        if path.name.isprintable() and not path.name.startswith(".") and not is_link and _is_run(path):
            roots[path.name] = path
    return roots


def _clock() -> str:
    return time.strftime("%H:%M:%S")
