"""The pages that are served: the report of a run, the list of runs, two runs beside each other, and messages."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from urllib.parse import quote, urlencode

from analysis.plots.common import SPLIT_WORDS, plotly_js, to_json
from analysis.plots.two_runs import plot_two_runs
from analysis.report.page import RenderedSection, render, render_page
from analysis.report.parts import DASH, Figure, Panels, Paragraph, Part, number, slug, table
from analysis.results import two_runs
from analysis.results.run_row import Choice, RunRow
from analysis.results.two_runs import Pair, Side
from analysis.serve.notes import LARGEST, NAME
from analysis.serve.runs import Made
from analysis.statistics.measures import MEASURES
from tune_ks.core.rate_words import rate_words

NOTE_LETTERS = 80  # of a note in the list of runs
PAIR_HEIGHT = 620  # pixels


@dataclass(frozen=True)
class Bar:
    """What stands below the title: links, how the run stands, and what the page asks in order to follow it."""

    links: list[tuple[str, str]]  # text, address
    said: str
    question: str  # address that answers with the version of what the page shows
    version: str
    seconds: int  # between two questions

    template: ClassVar[str] = "served.html"
    script: ClassVar[str] = "served.js"


class RunLine(NamedTuple):
    """A row of the list of runs, in words; lists have a line a vendor."""

    row: RunRow
    address: str
    choices_of: str
    metric: str
    trained_on: list[str]
    rates: list[str]
    in_domain: list[str]
    cross_domain: list[str]
    changed: str
    note: str


@dataclass(frozen=True)
class RunList:
    """The runs side by side, two of which can be picked to be compared."""

    lines: Sequence[RunLine]
    compare: str  # address
    template: ClassVar[str] = "runs.html"


@dataclass(frozen=True)
class NotesForm:
    """The text of notes.md, and a button that keeps it."""

    address: str
    text: str
    version: str
    fault: str = ""  # why it was not kept, or can't be read
    can_write: bool = True
    largest: int = LARGEST
    name: str = NAME
    template: ClassVar[str] = "notes.html"

    @property
    def rows(self) -> int:
        """Lines that the field shows."""
        return min(max(self.text.count("\n") + 2, 6), 24)


class Addresses:
    """The addresses of the pages, all below the token."""

    def __init__(self, token: str) -> None:
        self.root = f"/{token}/"

    def run(self, name: str) -> str:
        return f"{self.root}run/{quote(name, safe='')}"

    def notes(self, name: str) -> str:
        return f"{self.root}notes/{quote(name, safe='')}"

    @property
    def compare(self) -> str:
        return f"{self.root}compare"

    def state(self, names: Sequence[str]) -> str:
        """Of these runs; without names, of the list."""
        query = urlencode([("run", name) for name in names])
        return f"{self.root}state?{query}" if query else f"{self.root}state"


def report_page(made: Made, notes: NotesForm, bar: Bar) -> str:
    """The report as report.html has it, with the notes as a section at its end."""
    kept = RenderedSection("Notes", render([notes]))
    if made.fault:
        why = RenderedSection("No report", render([Paragraph(f"No report: {made.fault}", "warning")]))
        return render_page("No report of this run", [why, kept], "", bar)
    sections = made.sections or [RenderedSection("Nothing yet", render([Paragraph("Nothing to show yet.")]))]
    return render_page(made.title, [*sections, kept], plotly_js(), bar, made.mark)


def notes_page(name: str, notes: NotesForm, bar: Bar) -> str:
    """The notes alone, where they could not be kept."""
    return render_page(f"Notes of {name}", [RenderedSection("Notes", render([notes]))], "", bar)


def list_page(folder: str, lines: Sequence[RunLine], compare: str, bar: Bar) -> str:
    """The runs of a folder."""
    return render_page(f"Runs in {folder}", [RenderedSection("Runs", render([RunList(lines, compare)]))], "", bar)


def message_page(title: str, text: str, bar: Bar | None = None) -> str:
    """One paragraph."""
    return render_page(title, [RenderedSection(title, render([Paragraph(text)]))], "", bar)


def compare_page(first: Side, second: Side, bar: Bar, mark: str) -> str:
    """Two runs beside each other."""
    same = [] if two_runs.doubts(first, second) else ["Both runs are of the same cohort, split in the same way."]
    parts: list[Part] = [Paragraph(text, "warning") for text in two_runs.doubts(first, second)]
    parts += [Paragraph(text) for text in same]
    panels = [[_figure(pair)] for pair in two_runs.pairs(first, second)]
    parts += [
        table(two_runs.choice_table(first, second), "choices", "What each run chose"),
        Paragraph(two_runs.NO_TEST, "small"),
        Panels(panels),
        table(two_runs.facts(first, second), "facts", "What was searched"),
    ]
    title = f"{first.name} and {second.name}"
    return render_page(title, [RenderedSection("Comparison", render(parts))], plotly_js(), bar, mark)


def _figure(pair: Pair) -> Figure:
    absent = [name for name, info in pair.sides if info is None]
    alone = f"; {absent[0]} was not trained on it" if absent else ""
    alt = (
        f"{SPLIT_WORDS[pair.split].capitalize()} metric against the realised rate, trained on "
        f"{pair.vendor}: in-domain "
        "above, cross-domain below; a colour is a run (open symbols: the second), a dash a curve, a star what the run "
        f"chose{alone}."
    )
    drawn = to_json(plot_two_runs(pair))
    return Figure(f"compare-{slug(pair.vendor)}", drawn, alt, PAIR_HEIGHT, f"Trained on {pair.vendor}{alone}")


def run_line(row: RunRow, address: str, note: str) -> RunLine:
    """A row of the list of runs, in words."""
    known = not math.isnan(row.changed)
    return RunLine(
        row=row,
        address=address,
        choices_of=_choices_of(row),
        metric=MEASURES[row.metric].title if row.metric in MEASURES else DASH,
        trained_on=[choice.vendor for choice in row.choices],
        rates=[_rate(choice) for choice in row.choices],
        in_domain=[number(choice.in_domain) for choice in row.choices],
        cross_domain=[number(choice.cross_domain) for choice in row.choices],
        changed=time.strftime("%Y-%m-%d %H:%M", time.localtime(row.changed)) if known else DASH,
        note=_first_line(note),
    )


def _choices_of(row: RunRow) -> str:
    """Of how many trials the choices are; they may be older than the newest records."""
    if row.analysed is None:
        return "not analysed"
    if row.analysed == row.counts.finished:
        return f"all {row.analysed} trials" if row.analysed > 1 else str(row.analysed)
    return f"{row.analysed} of {row.counts.finished}"


def _rate(choice: Choice) -> str:
    return rate_words(choice.rate) if 0 < choice.rate <= 1 else DASH


def _first_line(note: str) -> str:
    line = next((line.strip() for line in note.splitlines() if line.strip()), "")
    return line if len(line) <= NOTE_LETTERS else line[: NOTE_LETTERS - 1] + "…"
