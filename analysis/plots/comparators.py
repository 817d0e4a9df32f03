"""Comparators and masks minus plain full sampling: a row each, with both domains and the transfer loss."""

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import DOMAINS, GREY, add_entry
from analysis.plots.rows import Marks, plot_rows
from analysis.read.configurations import FULL
from analysis.results.comparators import Comparators, name_of
from analysis.results.versus_lowpass import CHANCE
from analysis.statistics.measures import Measure


def plot_comparators(comparators: Comparators, vendor: str, measure: Measure) -> go.Figure:
    """A row a comparator or mask; right of 0 it is better. Filled: it holds after Holm's correction."""
    names = places(comparators, vendor)
    rows = comparators.rows[comparators.rows["vendor"] == vendor]
    marks = []
    for domain, (word, colour) in DOMAINS.items():
        marks.append(_marks(rows[rows["domain"] == domain].assign(value=rows["difference"]), names, word, colour))
    losses = comparators.losses[comparators.losses["trained on"] == vendor]
    marks.append(_marks(losses.assign(value=losses["less"]), names, "transfer loss, less by", GREY))
    figure = plot_rows(names, marks, f"minus plain full sampling, test {measure.title}")
    marker = {"symbol": "circle-open", "size": 8, "color": GREY}
    add_entry(figure, "open: not shown to differ, after Holm", "markers", marker=marker)
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.update_layout(xaxis={"tickformat": "+.2~f"})
    return figure


def places(comparators: Comparators, vendor: str) -> list[str]:
    """The names of a vendor's rows from top to bottom: comparators, masks, both together."""
    rows = comparators.rows[comparators.rows["vendor"] == vendor].to_dict("records")
    ordered = sorted(rows, key=lambda row: (row["sampling"] != FULL, row["comparator"] != "", name_of(row)))
    return list(dict.fromkeys(map(name_of, ordered)))


def _marks(table: pd.DataFrame, names: list[str], word: str, colour: str) -> Marks:
    """The values of a table, with the ends of their intervals, in the rows of the figure that have their names."""
    rows = [row for row in table.to_dict("records") if name_of(row) in names]
    return Marks(
        word,
        colour,
        rows=[names.index(name_of(row)) for row in rows],
        symbols=["circle" if row["holm"] < CHANCE else "circle-open" for row in rows],
        values=[row["value"] for row in rows],
        low=[row["low"] for row in rows],
        high=[row["high"] for row in rows],
        digits="+.3f",
    )
