"""What a list of runs says of each: read from the run folder without analysing it, in milliseconds."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from analysis.results.json_values import is_number
from tune_ks.core.run_folder import FAILURE, RECORD, STOPPED, RunFolder, read_json
from tune_ks.core.storage import StoragePath

ENDS = (RECORD, FAILURE, STOPPED)  # a trial with several of these files counts as the first


class Counts(NamedTuple):
    """How the trials of a run stand."""

    finished: int
    failed: int
    stopped: int
    left: int  # begun or not


class Choice(NamedTuple):
    """The choice for one vendor; a number is NaN where there is none."""

    vendor: str
    rule: str
    rate: float  # realised
    split: str  # that the metrics are of: test, or val where there is no test metric
    in_domain: float
    cross_domain: float
    in_domain_interval: tuple[float, float] | None
    cross_domain_interval: tuple[float, float] | None


class RunRow(NamedTuple):
    """One run in a list of runs."""

    name: str
    space: str
    cohort: str  # its fingerprint; "" where search.json names none
    synthetic: bool
    counts: Counts
    metric: str
    choices: list[Choice]
    analysed: int | None  # trials that were finished when the choices were made; None: not analysed yet
    changed: float  # seconds since 1970, of the newest file of a trial; NaN without one
    fault: str = ""  # why the folder can't be read


def run_row(name: str, root: StoragePath, changed: float, selection: Mapping[str, Any] | None = None) -> RunRow:
    """The row of the run folder ``root``; ``selection`` has the values of its selection.json, which is read else."""
    folder = RunFolder(root)
    fault = ""
    search: Mapping[str, Any] = {}
    try:
        folder.require_own_folders()
        search = folder.read_search()
        counts = counts_of(folder, search.get("trials", 0))
    except (ValueError, OSError) as error:
        fault = str(error)
        counts = Counts(0, 0, 0, 0)
    if selection is None:
        selection = {} if fault else last_selection(root)
    cohort = _mapping(search.get("cohort"))
    choices = choices_of(selection)
    return RunRow(
        name=name,
        space=str(search.get("space", "")),
        cohort=str(cohort.get("fingerprint") or ""),
        synthetic=bool(cohort.get("synthetic")),
        counts=counts,
        metric=str(selection.get("metric", "")),
        choices=choices,
        analysed=_finished(selection),
        changed=changed,
        fault=fault,
    )


def counts_of(folder: RunFolder, asked: int = 0) -> Counts:
    """How the trials stand, by the names of their files alone; ``asked``: how many the search has, 0 if not known."""
    numbers = dict.fromkeys([*ENDS, ""], 0)
    listing = folder.listing()
    for names in listing.values():
        end = next((end for end in ENDS if end in names), "")
        numbers[end] += 1
    not_begun = max(asked - len(listing), 0)
    return Counts(numbers[RECORD], numbers[FAILURE], numbers[STOPPED], numbers[""] + not_begun)


def last_selection(root: StoragePath) -> Mapping[str, Any]:
    """The values of selection.json; {} where there is none that can be read."""
    try:
        return read_json(root / "selection.json")
    except (ValueError, OSError):
        return {}


def choices_of(selection: Mapping[str, Any]) -> list[Choice]:
    """The choices in the values of selection.json; a part that has not its form is left out."""
    choices = selection.get("choices")
    rows = choices if isinstance(choices, list) else []
    return [_choice(row) for row in rows if isinstance(row, Mapping)]


def _choice(row: Mapping[str, Any]) -> Choice:
    split = "test" if is_number(row.get("test_in_domain")) else "val"
    intervals = _mapping(row.get("intervals"))
    return Choice(
        vendor=str(row.get("vendor", "")),
        rule=str(row.get("rule", "")),
        rate=_number(row.get("rate")),
        split=split,
        in_domain=_number(row.get(f"{split}_in_domain")),
        cross_domain=_number(row.get(f"{split}_cross_domain")),
        in_domain_interval=_interval(intervals.get(f"{split}_in_domain")),
        cross_domain_interval=_interval(intervals.get(f"{split}_cross_domain")),
    )


def _finished(selection: Mapping[str, Any]) -> int | None:
    if not selection:
        return None
    finished = _mapping(selection.get("trials")).get("finished")
    return finished if isinstance(finished, int) else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float:
    return float(value) if is_number(value) else math.nan


def _interval(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2 or not all(map(is_number, value)):
        return None
    return float(value[0]), float(value[1])
