"""Prints an analysis: on one screen at the end of a search, or all of it."""

import io
import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.choice import noninferior_words as proof_words
from analysis.choice.rules import DEFAULT, RULES
from analysis.choice.selection import Selection
from analysis.choice.verdict import is_proven
from analysis.read.configurations import plain_name
from analysis.results import (
    brief,
    comparators,
    evidence,
    other_vendors,
    patient_level,
    sentences,
    transfer,
    versus_lowpass_words,
)
from analysis.results.compute import Analysis
from analysis.results.external import REFERENCES, settings_shown
from analysis.results.rate_units import in_units
from analysis.results.sentences import ends_words
from tune_ks.core.domain_words import DomainWords
from tune_ks.core.rate_words import rate_tick, rate_words
from tune_ks.core.terminal import SafeConsole

WIDE = 150  # letters of a line of the table of another cohort


def print_summary(analysis: Analysis, console: Console | None = None) -> None:
    """Print a row, a caveat and the front of each vendor, and where the report is: no line wider than the console."""
    console = console or SafeConsole()
    for warning in brief.warnings(analysis):
        console.print(escape(warning), style="yellow", highlight=False)
    if analysis.vendors:
        console.print(_brief_table(analysis))
    for line in filter(None, (brief.rest_on(analysis), *brief.lines(analysis))):
        console.print(escape(line), highlight=False)
    console.print(escape(f"report: {analysis.report or analysis.selection_json}"), highlight=False, soft_wrap=True)


def _brief_table(analysis: Analysis) -> Table:
    """A row for each vendor: its rate with test metrics, those at full sampling, and what the comparison says."""
    table = Table(title=brief.heading(analysis), title_justify="left", box=None, pad_edge=False)
    table.add_column("trained on")
    for name in ("rate", "R", "in-domain", "cross", "full in", "cross"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("against full")
    for computed in analysis.vendors.values():
        table.add_row(*map(escape, brief.row(computed)))
    return table


def print_analysis(analysis: Analysis, console: Console | None = None) -> None:
    """Print everything: one row a choice (the rule asked for first), its test metrics, and all sentences."""
    console = console or SafeConsole()
    for warning in analysis.warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}", highlight=False, soft_wrap=True)
    if analysis.vendors:
        console.print(_table(analysis))
    for line in _lines(analysis):
        console.print(escape(line), highlight=False, soft_wrap=True)


def print_external(analysis: Analysis, cohort: str, console: Console | None = None) -> None:
    """Print one table a vendor trained on and vendor scored on of another cohort: its models by rate."""
    console = console or SafeConsole()
    rows = analysis.external[analysis.external["cohort"] == cohort]
    chosen = {key for computed in analysis.vendors.values() for key in computed.selection.keys}
    names = settings_shown(rows, analysis.configurations)
    for (source, vendor), part in rows.groupby(["vendor", "scored_on"], sort=False):
        table = Table(
            title=f"trained on {source}, scored on {part['patients'].max()} patients of {vendor} ({cohort})",
            title_justify="left",
            box=SIMPLE_HEAD,
        )
        for name in ("mask", *map(plain_name, names)):
            table.add_column(name, no_wrap=True)
        for name in (
            "rate",
            "seeds",
            f"{analysis.measure.title} [90 %]",
            "together",
            "minus full sampling",
            "minus low-pass",
        ):
            table.add_column(name, justify="right", no_wrap=True)
        for row in part.to_dict("records"):
            mark = ", chosen" if chosen.intersection(row["keys"]) else ""
            table.add_row(f"{row['family']}{mark}", *_external_cells(row, names))
        _print_wide(table, console)
    for line in patient_level.sentences(patient_level.external_level(analysis, cohort)):
        console.print(escape(line), highlight=False, soft_wrap=True)


def _print_wide(table: Table, console: Console) -> None:
    """Print a table in lines of WIDE letters or more: a narrow terminal folds its lines, but no cell is cut."""
    drawing = SafeConsole(file=io.StringIO(), width=max(console.width, WIDE))
    with drawing.capture() as drawn:
        drawing.print(table)
    lines = [line.rstrip() for line in drawn.get().splitlines()]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _external_cells(row: dict[str, Any], names: list[str]) -> list[str]:
    """The cells of one configuration on another cohort, after the mask."""
    cells = [str(row[name]) for name in names]
    cells += [rate_words(row["realised_rate"]), str(row["seeds"])]
    cells.append("-" if math.isnan(row["value"]) else f"{row['value']:.3f}{ends_words(row['low'], row['high'], '.3f')}")
    cells.append("-" if math.isnan(row["together"]) else f"{row['together']:.3f}")
    for name in REFERENCES:
        ends = ends_words(row[f"{name}_low"], row[f"{name}_high"], "+.3f")
        cells.append("-" if math.isnan(row[name]) else f"{row[name]:+.3f}{ends}")
    return cells


def _lines(analysis: Analysis) -> list[str]:
    """The sentences below the table, and the paths of the files."""
    measure = analysis.measure
    vendors = analysis.vendors.values()
    lines = list(filter(None, [brief.rest_on(analysis)]))
    lines += [computed.fitness.sentence for computed in vendors]
    lines += _choices(analysis)
    lines += versus_lowpass_words.lines(analysis.versus_lowpass, measure.title)
    for computed in vendors:
        lines += [sentences.optimism(gap, measure) for gap in computed.optimism]
    lines += other_vendors.sentences(analysis.run, analysis.other_vendors, measure)
    lines += transfer.sentences(analysis.transfer, measure.title)
    lines += comparators.lines(analysis.comparators, measure.title)
    lines += patient_level.sentences(patient_level.patient_level(analysis))
    lines += sentences.operating(analysis.clinic.operating)
    lines += [f"{computed.vendor}, proof: {proof_words.account(computed.proof, measure)}" for computed in vendors]
    repeated = [computed.cross_fit for computed in vendors if computed.cross_fit is not None]
    lines += [sentences.cross_fit(cross_fit, measure) for cross_fit in repeated]
    lines += [str(path) for path in (analysis.selection_json, analysis.report) if path is not None]
    return lines


def _choices(analysis: Analysis) -> list[str]:
    """The choices of the rule that was asked for, then those with one vendor held out."""
    measure = analysis.measure
    lines, held_out = [], []
    for computed in analysis.vendors.values():
        sure = evidence.how_sure(computed.selection, analysis.options) or "no interval of the rate"
        lines += [sentences.chosen(computed.selection, measure), f"  {sure}"]
        if in_other_units := in_units(analysis.run, computed.vendor, computed.selection.rate):
            lines.append(f"  {in_other_units}")
        lines += [f"  {said}" for said, _ in evidence.against_full(computed.selection, analysis.options)]
        lines.append(f"  {sentences.whose_labels(computed.selection, measure)}")
        for selection in computed.others:
            if selection.held_out and not selection.oracle:
                held_out.append(sentences.chosen(selection, measure))
                held_out.append(f"  {sentences.whose_labels(selection, measure)}")
    return lines + held_out


def _table(analysis: Analysis) -> Table:
    words = analysis.measure.domains
    table = Table(
        title=f"Chosen rates; test {analysis.measure.title} in-domain and cross-domain ({analysis.run.counts()})",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in (words.one, "chosen by", "labels seen"):
        table.add_column(name, no_wrap=True)
    for name in ("rate", "in", "cross"):
        table.add_column(name, justify="right")
    for vendor, computed in analysis.vendors.items():
        table.add_row(*_cells(computed.selection, words), style="bold")
        for other in computed.others:
            if not other.held_out:
                table.add_row(*_cells(other, words))
        full = computed.selection.full_sampling
        table.add_row(vendor, "full sampling", "", *_numbers(full, 1.0 if full else math.nan), end_section=True)
    return table


def _cells(selection: Selection, words: DomainWords) -> list[str]:
    return [
        selection.vendor,
        selection.rule + _remark(selection),
        words.of(selection.saw),
        *_numbers(selection.values, selection.rate),
    ]


def _remark(selection: Selection) -> str:
    """The remark beside a rule's name: the mask family that it chose from, or whether the choice is proven."""
    if selection.family != "learned":
        return f" ({selection.family})"
    if math.isnan(selection.rate):
        return ""  # a refused test proves nothing
    if RULES[selection.rule].needs_proof:
        return " (none)" if selection.rate == 1 else " (proven)"
    if selection.rule != DEFAULT:
        return ""
    return " (proven)" if is_proven(selection.verdicts) else " (unproven)"


def _numbers(values: dict[str, float], rate: float) -> list[str]:
    scores = [values.get("test_in_domain", math.nan), values.get("test_cross_domain", math.nan)]
    shown = ["-" if math.isnan(score) else f"{score:.3f}" for score in scores]
    return ["-" if math.isnan(rate) else rate_tick(rate), *shown]
