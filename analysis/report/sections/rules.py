"""What each rule chooses, what it was allowed to see, and what choosing by test scores would have bought."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.choice.optimism import Optimism
from analysis.choice.selection import Selection
from analysis.read.configurations import FULL
from analysis.report.parts import Paragraph, Part, number, table
from analysis.report.sections.base import Section
from analysis.results import evidence, sentences
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.statistics.measures import Measure

CHOICES = (
    "metric on test patients [90 % interval]. Full not better: the probability on validation patients that full "
    "sampling is not better by more than {tolerance:g}, the smaller of both metrics and of both at once; unknown with "
    "one training of full sampling. Against full: by the difference on test patients, or by the proof. Labels seen: "
    "source-validation, validation labels of the vendor trained on only; target-validation, validation labels of the "
    "other vendor(s) too, so that the cross-domain metric speaks for new patients of those vendors and not for an "
    "unseen one; "
    "leave-one-vendor-out (three or more vendors), validation labels of every vendor but the one held out, whose test "
    "metric the cross-domain one then is; oracle, the test labels themselves: what a choice would have been worth, "
    "biased upward, and no choice."
)
LOWEST = "the lowest tried"
OPTIMISM = (
    "gap: test metric of the choice that the same rule makes on test scores (oracle) minus that of the honest choice, "
    "on the same patients. Oracle's luck: by how much the oracle's test metric would fall on new patients, from "
    "letting the rule choose on resampled test patients: an underestimate, by 0.4 of it where rates are equal. A gap "
    "of 0 without an interval: both chose the same rate; a negative one: on test scores the rule gave more metric "
    "away."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """Every rule and family side by side above full sampling; below them the gaps to the oracle's choices."""
    if not analysis.vendors:
        return []
    measure = analysis.measure
    vendors = analysis.vendors.values()
    gaps = [_gap_row(gap, measure) for computed in vendors for gap in computed.optimism]
    shown: list[Part] = [
        table(choices(analysis), "choices", "Each rule's choice, and what it was allowed to see"),
        *(Paragraph(note, "small") for note in _notes(analysis)),
        Paragraph(measure.words(CHOICES.format(tolerance=analysis.options.tolerance)), "small"),
    ]
    if gaps:
        shown.append(table(_without_empty(gaps), "optimism", "What peeking would have bought"))
        shown.append(Paragraph(measure.words(OPTIMISM), "small"))
    return [*shown, Paragraph(sentences.about_sampling(analysis.run.cohort), "small")]


def choices(analysis: Analysis) -> pd.DataFrame:
    """A row a rule's choice, vendor by vendor, and full sampling."""
    rows = [row for computed in analysis.vendors.values() for row in _choice_rows(computed, analysis.measure)]
    return _without_empty(rows)


def _without_empty(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def _choice_rows(computed: VendorAnalysis, measure: Measure) -> list[dict[str, Any]]:
    """One vendor's choices, the asked-for first, and full sampling last."""
    rows = [_choice_row(selection, measure) for selection in (computed.selection, *computed.others)]
    full = computed.selection.full_sampling
    if full:
        rows.append({"trained on": computed.vendor, "rule": FULL, "rate": 1.0, **_scored(full, measure.title)})
    return rows


def _choice_row(selection: Selection, measure: Measure) -> dict[str, Any]:
    rule = selection.rule if selection.family == "learned" else f"{selection.rule} ({selection.family})"
    interval = None if selection.interval is None else evidence.ends_of_rate(selection.interval)
    if selection.lowest:
        interval = ", ".join(filter(None, [interval, LOWEST]))
    return {
        "trained on": selection.vendor,
        "rule": rule,
        "labels seen": measure.domains.of(selection.saw),
        "held out": selection.held_out or None,
        "rate": selection.rate,
        "interval of the rate": interval,
        "full not better": min(selection.not_worse.values(), default=math.nan),
        **_scored(selection.values, measure.title),
        **{f"{word} against full": evidence.cell(selection.verdicts.get(d)) for d, word in sentences.DOMAINS.items()},
        "columns read": ", ".join(selection.columns_read),
    }


def _scored(values: dict[str, float], title: str) -> dict[str, str | None]:
    """Both test metrics with their intervals, as text that sorts by value."""
    scored: dict[str, str | None] = {}
    for domain, word in sentences.DOMAINS.items():
        name = f"test_{domain}"
        value = values.get(name, math.nan)
        text = None if math.isnan(value) else number(value) + sentences.spread(values, name)
        scored[f"{word} test {title}"] = text
    return scored


def _notes(analysis: Analysis) -> list[str]:
    """What the rules noted: each note once, with the vendors that it was noted for."""
    vendors = analysis.vendors.values()
    chosen = [computed.selection for computed in vendors]
    others = [selection for computed in vendors for selection in computed.others]
    noted: dict[tuple[str, str], dict[str, None]] = {}  # a dict of vendors, as a set would lose their order
    for selection in chosen + others:
        if selection.note:
            noted.setdefault((selection.rule, selection.note), {})[selection.vendor] = None
    return [f"{rule} ({', '.join(names)}): {note}." for (rule, note), names in noted.items()]


def _gap_row(gap: Optimism, measure: Measure) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trained on": gap.vendor,
        "rule": gap.rule,
        "labels seen": measure.domains.of(gap.saw),
        "held out": gap.held_out or None,
        "rate": gap.rate,
        "oracle's rate": gap.oracle_rate,
    }
    for domain, word in sentences.DOMAINS.items():
        low, high = gap.gap_interval[domain]
        row[f"gap, {word}"] = gap.gap[domain]
        row[f"90 % interval, {word}"] = None if math.isnan(low) else f"{low:+.3f} to {high:+.3f}"
        row[f"oracle's luck, {word}"] = gap.luck[domain]
    return row


SECTION = Section("What each rule chooses", parts)
