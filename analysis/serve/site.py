"""What is at which address. Reading never writes; the one thing that can be written is the notes of a run.

    /                       the list of runs; of a single run its report
    /run/NAME               the report of a run
    /compare?run=A&run=B    two runs beside each other
    /state[?run=NAME...]    JSON: the version of what such a page shows now, and whether an analysis is being made
    /notes/NAME             POST: keep the notes of a run

A NAME is looked up among the runs that are there, and never becomes a path.
"""

import hashlib
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from analysis.serve import pages
from analysis.serve.notes import NotesChanged, NotesError, read_notes, version_of, write_notes
from analysis.serve.pages import Addresses, Bar, NotesForm, RunLine
from analysis.serve.runs import LiveRun, Runs

HTML = "text/html; charset=utf-8"
JSON = "application/json"
SECONDS = 5  # between two questions of a page whether something has changed
AGAIN = 2  # seconds until a page asks again whether its first analysis is made
FIELDS = 8  # of a query or a form: more are refused
NOT_HERE = "There is no such page, or the run is not there any more."
TWO = "Pick two different runs in the list of runs."
WAIT = (
    "An analysis takes seconds where a processor is free, and minutes where trainings use them all. This page loads "
    "itself again."
)
UNREADABLE = "The form could not be read: a text in UTF-8 was expected."


class Answer(NamedTuple):
    """What a request gets."""

    status: HTTPStatus
    body: bytes
    kind: str = HTML
    headers: tuple[tuple[str, str], ...] = ()


class Site:
    """The pages of some runs; ``token`` is the first part of every address."""

    def __init__(self, runs: Runs, token: str) -> None:
        self.runs = runs
        self.seconds = SECONDS
        self.addresses = Addresses(token)

    def get(self, path: str, query: str) -> Answer:
        """The answer to a request for an address below the token, as "run/NAME"."""
        page, _, name = path.partition("/")
        if page == "run":
            return self._of_run(unquote(name))
        if name:
            return _missing()
        if page == "":
            return self._list() if self.runs.is_folder else self._redirect(self.runs.all()[0])
        names = _fields(query).get("run", [])
        if page == "state":
            return self._state(names)
        if page == "compare":
            return self._compare(names)
        return _missing()

    def post(self, path: str, form: bytes) -> Answer:
        """Keep the notes of a run."""
        page, _, name = path.partition("/")
        run = self.runs.get(unquote(name))
        if page != "notes" or run is None:
            return _missing()
        try:
            fields = _fields(form.decode())
            text = fields["text"][0]
            version = fields["version"][0]
        except (ValueError, KeyError):
            return _page(pages.message_page("Not kept", UNREADABLE), HTTPStatus.BAD_REQUEST)
        try:
            write_notes(run.root, text, version)
        except NotesError as error:
            return self._not_kept(run, text, error)
        return self._redirect(run, "#Notes")

    def _not_kept(self, run: LiveRun, text: str, error: NotesError) -> Answer:
        """The text that was sent, to be changed or sent again, and why it was not kept."""
        form = self._notes(run)
        fault = f"Not kept: {error}."
        status = HTTPStatus.BAD_REQUEST
        if isinstance(error, NotesChanged):
            fault += " Below is your text; sending it again replaces the other one."
            status = HTTPStatus.CONFLICT
        form = NotesForm(form.address, text, form.version, fault)
        return _page(pages.notes_page(run.name, form, self._bar([run], str(error))), status)

    def _of_run(self, name: str) -> Answer:
        run = self.runs.get(name)
        if run is None:
            return _missing()
        self.runs.ask(run)
        made = run.made
        if made is None:
            return self._wait([run])
        said = f"{run.name}: {made.counts}; analysed at {made.clock}" if made.counts else f"tried at {made.clock}"
        return _page(pages.report_page(made, self._notes(run), self._bar([run], said)))

    def _compare(self, names: Sequence[str]) -> Answer:
        chosen = [self.runs.get(name) for name in dict.fromkeys(names)]
        runs = [run for run in chosen if run is not None]
        if len(runs) != 2 or len(chosen) != 2:
            bar = self._bar([], "") if self.runs.is_folder else None
            return _page(pages.message_page("Two runs are compared", TWO, bar), HTTPStatus.BAD_REQUEST)
        for run in runs:
            self.runs.ask(run)
        first, second = (run.made for run in runs)
        if first is None or second is None:
            return self._wait(runs)
        bar = self._bar(runs, "")
        if first.side is None or second.side is None:
            faults = [f"{run.name}: {run.made.fault}" for run in runs if run.made and run.made.fault]
            return _page(pages.message_page("No comparison", "; ".join(faults), bar))
        return _page(pages.compare_page(first.side, second.side, bar, first.mark or second.mark))

    def _list(self) -> Answer:
        lines = self._lines()
        bar = Bar(
            [], f"{len(lines)} run{'s' * (len(lines) != 1)}", self.addresses.state([]), _digest(lines), self.seconds
        )
        return _page(pages.list_page(self.runs.name, lines, self.addresses.compare, bar))

    def _lines(self) -> list[RunLine]:
        lines = []
        for run in self.runs.all():
            try:
                note = read_notes(run.root)
            except NotesError:
                note = ""
            lines.append(pages.run_line(run.row(), self.addresses.run(run.name), note))
        return lines

    def _state(self, names: Sequence[str]) -> Answer:
        """The version of the list, or of the pages that show these runs; analyses them where they have changed."""
        if not names:
            values = {"version": _digest(self._lines()), "busy": False} if self.runs.is_folder else {}
            return Answer(HTTPStatus.OK, json.dumps(values).encode(), JSON)
        chosen = [self.runs.get(name) for name in names]
        runs = [run for run in chosen if run is not None]
        if len(runs) < len(names):
            return Answer(HTTPStatus.NOT_FOUND, b"{}", JSON)
        for run in runs:
            self.runs.ask(run)
        busy = any(run.is_asked for run in runs)
        return Answer(HTTPStatus.OK, json.dumps({"version": self._version(runs), "busy": busy}).encode(), JSON)

    def _version(self, runs: Sequence[LiveRun]) -> str:
        parts = []
        for run in runs:
            number = run.made.number if run.made else 0
            notes = self._notes(run)
            parts.append(f"{number}.{notes.version or notes.fault}")
        return _digest(parts)

    def _notes(self, run: LiveRun) -> NotesForm:
        address = self.addresses.notes(run.name)
        try:
            text = read_notes(run.root)
        except NotesError as error:
            return NotesForm(address, "", "", str(error), can_write=False)
        return NotesForm(address, text, version_of(text))

    def _bar(self, runs: Sequence[LiveRun], said: str) -> Bar:
        """The links of a page that shows these runs."""
        links = [("all runs", self.addresses.root)] if self.runs.is_folder else []
        if len(runs) == 1:
            links.append(("notes", f"{self.addresses.run(runs[0].name)}#Notes"))
        else:
            links += [(run.name, self.addresses.run(run.name)) for run in runs]
        version = self._version(runs) if runs else _digest(self._lines())
        return Bar(links, said, self.addresses.state([run.name for run in runs]), version, self.seconds)

    def _wait(self, runs: Sequence[LiveRun]) -> Answer:
        """How far the analyses are that a page needs; it is asked for again until they are made."""
        steps = "; ".join(f"{run.name}: {run.progress()}" for run in runs)
        page = pages.message_page("Being analysed", f"{steps}. {WAIT}")
        return Answer(HTTPStatus.OK, page.encode(), HTML, (("Refresh", str(AGAIN)),))

    def _redirect(self, run: LiveRun, part: str = "") -> Answer:
        address = f"{self.addresses.run(run.name)}{part}"
        return Answer(HTTPStatus.SEE_OTHER, b"", HTML, (("Location", address),))


def _page(html: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, html.encode())


def _missing() -> Answer:
    return _page(pages.message_page("Not here", NOT_HERE), HTTPStatus.NOT_FOUND)


def _fields(text: str) -> dict[str, list[str]]:
    """The fields of a query or a form. ValueError for text that is not UTF-8, or too many fields."""
    return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=FIELDS)


def _digest(values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]
