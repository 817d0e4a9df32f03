"""The analysis on a terminal: warnings, the choices, where the report is."""

import math

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.choice import noninferior_words as proof_words
from analysis.choice.rules import DEFAULT, RULES
from analysis.choice.selection import Selection
from analysis.results import evidence, sentences
from analysis.results.compute import Analysis


def print_analysis(analysis: Analysis, console: Console | None = None) -> None:
    """Print one row a choice (the rule asked for first), its test metrics, and whose labels chose."""
    console = console or Console()
    for warning in analysis.warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}", highlight=False, soft_wrap=True)
    measure = analysis.measure
    vendors = analysis.vendors.values()
    if vendors:
        console.print(_table(analysis))
        for selection in (computed.selection for computed in vendors):
            console.print(escape(sentences.chosen(selection, measure)), highlight=False, soft_wrap=True)
            sure = evidence.how_sure(selection, analysis.options) or "no interval of the rate"
            for line in (sure, sentences.whose_labels(selection, measure)):
                console.print("  " + escape(line), highlight=False, soft_wrap=True)
        for left in (s for computed in vendors for s in computed.others if s.held_out and not s.oracle):
            console.print(escape(sentences.chosen(left, measure)), highlight=False, soft_wrap=True)
            console.print("  " + escape(sentences.whose_labels(left, measure)), highlight=False, soft_wrap=True)
        gaps = [sentences.optimism(gap, measure) for computed in vendors for gap in computed.optimism]
        for line in (*gaps, *sentences.operating(analysis.clinic.operating)):
            console.print(escape(line), highlight=False, soft_wrap=True)
    for computed in vendors:
        words = f"{computed.vendor}, proof: {proof_words.account(computed.proof, measure)}"
        console.print(escape(words), highlight=False, soft_wrap=True)
    for computed in vendors:
        if computed.cross_fit is not None:
            console.print(escape(sentences.cross_fit(computed.cross_fit, measure)), highlight=False, soft_wrap=True)
    for path in (analysis.selection_json, analysis.report):
        if path is not None:
            console.print(escape(str(path)), highlight=False, soft_wrap=True)


def _table(analysis: Analysis) -> Table:
    table = Table(
        title=f"Chosen rates; test {analysis.measure.title} in-domain and cross-domain ({analysis.run.counts()})",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for name in ("vendor", "chosen by", "labels seen"):
        table.add_column(name, no_wrap=True)
    for name in ("rate", "in", "cross"):
        table.add_column(name, justify="right")
    for vendor, computed in analysis.vendors.items():
        table.add_row(*_cells(computed.selection), style="bold")
        for other in (o for o in computed.others if not o.held_out):
            table.add_row(*_cells(other))
        full = computed.selection.full_sampling
        table.add_row(vendor, "full sampling", "", *_numbers(full, 1.0 if full else math.nan), end_section=True)
    return table


def _cells(selection: Selection) -> list[str]:
    return [
        selection.vendor,
        selection.rule + _remark(selection),
        selection.saw,
        *_numbers(selection.values, selection.rate),
    ]


def _remark(selection: Selection) -> str:
    """What is said beside a rule's name: the yardstick's family, or whether the choice is proven."""
    if selection.family != "learned":
        return f" ({selection.family})"
    if math.isnan(selection.rate):
        return ""  # a refused test proves nothing
    if RULES[selection.rule].needs_proof:
        return " (proven)"
    return " (unproven)" if selection.rule == DEFAULT else ""


def _numbers(values: dict[str, float], rate: float) -> list[str]:
    numbers = [rate, values.get("test_in_domain", math.nan), values.get("test_cross_domain", math.nan)]
    return ["-" if math.isnan(number) else f"{number:.3f}" for number in numbers]
