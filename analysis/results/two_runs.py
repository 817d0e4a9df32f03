"""Two runs beside each other: whether their numbers may be compared, their choices, and the curves of both."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis.results.compute import Analysis
from analysis.results.curves_info import CurvesInfo, curves_info
from analysis.results.run_row import Choice, choices_of
from analysis.statistics.measures import MEASURES
from tune_ks.core.metrics import DOMAINS

SPLITS = ("test", "val")  # the first that both runs have is drawn
NO_TEST = (
    "Nothing here tests the difference between the two runs: their values and intervals stand beside each other. "
    "Whether one mask is better than another is tested within one run, on the same patients."
)


class Side(NamedTuple):
    """What a comparison needs of one run."""

    name: str
    search: Mapping[str, Any]  # search.json
    metric: str
    counts: str  # how the trials stand, in words
    choices: list[Choice]
    curves: dict[tuple[str, str], CurvesInfo]  # by vendor and split, those that have a score


class Pair(NamedTuple):
    """The curves of one vendor in two runs; None where a run was not trained on that vendor."""

    vendor: str
    split: str
    sides: list[tuple[str, CurvesInfo | None]]  # name of the run, its curves


def side(name: str, analysis: Analysis, selection: Mapping[str, Any]) -> Side:
    """What a comparison needs of an analysis; ``selection`` has the values of its selection.json."""
    curves = {}
    for vendor, computed in analysis.vendors.items():
        for split in SPLITS:
            if computed.configurations[f"{split}_in_domain"].notna().any():
                curves[vendor, split] = curves_info(analysis, vendor, split)
    run = analysis.run
    return Side(name, run.search, run.metric, run.counts(), choices_of(selection), curves)


def doubts(first: Side, second: Side) -> list[str]:
    """Why the numbers of the two runs can't be compared as they stand; [] where nothing is known against it."""
    said = []
    cohorts = [fingerprint(side) for side in (first, second)]
    if not all(cohorts):
        silent = " and ".join(side.name for side in (first, second) if not fingerprint(side))
        said.append(f"Whether the cohort is the same is not known: search.json of {silent} names none.")
    elif cohorts[0] != cohorts[1]:
        said.append(
            f"The cohorts differ ({cohorts[0]} and {cohorts[1]}): other images were tested, so a difference between "
            "the runs may be one between their patients."
        )
    seeds = [side.search.get("split_seed") for side in (first, second)]
    if seeds[0] != seeds[1]:
        said.append(f"The splits differ (split_seed {seeds[0]} and {seeds[1]}): other patients were tested.")
    if first.metric != second.metric:
        titles = [MEASURES[side.metric].title for side in (first, second)]
        said.append(f"The metrics differ ({titles[0]} and {titles[1]}): their curves are not drawn in one figure.")
    return said


def fingerprint(run: Side) -> str:
    """The fingerprint of the run's cohort; "" where search.json names none."""
    cohort = run.search.get("cohort")
    return str(cohort.get("fingerprint") or "") if isinstance(cohort, Mapping) else ""


def facts(first: Side, second: Side) -> pd.DataFrame:
    """What was searched, one column a run."""
    columns: dict[str, list[str]] = {"what": ["space", "cohort", "split seed", "metric", "trials"]}
    for run in (first, second):
        space = str(run.search.get("space", ""))
        seed = str(run.search.get("split_seed", ""))
        columns[run.name] = [space, fingerprint(run), seed, MEASURES[run.metric].title, run.counts]
    return pd.DataFrame(columns)


def choice_table(first: Side, second: Side) -> pd.DataFrame:
    """The choice of each run for each vendor: one row a vendor and run."""
    rows = []
    for vendor in vendors(first, second):
        for run in (first, second):
            rows += [_choice_row(run, choice) for choice in run.choices if choice.vendor == vendor]
    return pd.DataFrame(rows)


def _choice_row(run: Side, choice: Choice) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trained on": choice.vendor,
        "run": run.name,
        "rule": choice.rule,
        "realised rate": choice.rate,
        "scored on": {"test": "test", "val": "validation"}[choice.split],
        "metric": MEASURES[run.metric].title,
    }
    for domain in DOMAINS:
        interval = getattr(choice, f"{domain}_interval")
        word = domain.replace("_", "-")
        row[word] = getattr(choice, domain)
        row[f"{word}, 90 % interval"] = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else None
    return row


def vendors(first: Side, second: Side) -> list[str]:
    """The vendors that either run was trained on, sorted."""
    of_curves = {vendor for run in (first, second) for vendor, _ in run.curves}
    return sorted(of_curves | {choice.vendor for run in (first, second) for choice in run.choices})


def pairs(first: Side, second: Side) -> list[Pair]:
    """The curves of each vendor: test metrics, or validation where a run has no test metric; [] for two metrics."""
    if first.metric != second.metric:
        return []
    drawn = []
    for vendor in vendors(first, second):
        split = _shared_split(first, second, vendor)
        if split is not None:
            sides = [(run.name, run.curves.get((vendor, split))) for run in (first, second)]
            drawn.append(Pair(vendor, split, sides))
    return drawn


def _shared_split(first: Side, second: Side, vendor: str) -> str | None:
    """The first of SPLITS in which every run that was trained on the vendor has a curve; None where there is none."""
    splits_of_runs = []
    for run in (first, second):
        splits = [split for split in SPLITS if (vendor, split) in run.curves]
        if splits:
            splits_of_runs.append(splits)
    for split in SPLITS:
        if splits_of_runs and all(split in splits for splits in splits_of_runs):
            return split
    return None
