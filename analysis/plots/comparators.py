"""Comparators and masks minus plain full sampling: a row each, with both domains and the transfer loss."""

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import DOMAINS, GREY, blank
from analysis.read.configurations import FULL
from analysis.results.comparators import Comparators, name_of
from analysis.results.versus_lowpass import CHANCE
from analysis.statistics.measures import Measure

APART = 0.17  # between the symbols of one row
LOWER = 0.1  # the middle of the symbols below that of their place
NAME_ABOVE = 0.45  # the middle of its place


def plot_comparators(comparators: Comparators, vendor: str, measure: Measure) -> go.Figure:
    """A row a comparator or mask; right of 0 it is better. Filled: it holds after Holm's correction."""
    names = places(comparators, vendor)
    figure = blank(f"minus plain full sampling, test {measure.title}", "")
    rows = comparators.rows[comparators.rows["vendor"] == vendor]
    for number, (domain, (word, colour)) in enumerate(DOMAINS.items()):
        of_domain = rows[rows["domain"] == domain]
        _add(figure, of_domain, names, of_domain["difference"], word, colour, (1 - number) * APART - LOWER)
    losses = comparators.losses
    of_vendor = losses[(losses["trained on"] == vendor) & losses["less"].notna()]
    _add(figure, of_vendor, names, of_vendor["less"], "transfer loss, less by", GREY, -APART - LOWER)
    marker = {"symbol": "circle-open", "size": 8, "color": GREY}
    figure.add_trace(
        go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name="open: not shown to differ, after Holm")
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.update_layout(
        xaxis={"tickformat": "+.2~f"},
        yaxis={"range": [len(names) - 0.4, -0.7], "showticklabels": False, "showgrid": False, "zeroline": False},
    )
    for place, name in enumerate(names):  # above its row: beside it, a phone would have no room for the plot
        figure.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            y=place - NAME_ABOVE,
            text=escape(name),
            showarrow=False,
            font={"size": 12},
        )
    return figure


def places(comparators: Comparators, vendor: str) -> list[str]:
    """The names of a vendor's rows from top to bottom: comparators, masks, both together."""
    rows = comparators.rows[comparators.rows["vendor"] == vendor].to_dict("records")
    ordered = sorted(rows, key=lambda row: (row["sampling"] != FULL, row["comparator"] != "", name_of(row)))
    return list(dict.fromkeys(map(name_of, ordered)))


def _add(
    figure: go.Figure,
    rows: pd.DataFrame,
    names: Sequence[str],
    values: pd.Series,
    word: str,
    colour: str,
    above: float,
) -> None:
    """One symbol a row, ``above`` the middle of its place, with its interval."""
    known = np.array([name_of(row) in names for row in rows.to_dict("records")], bool)
    if not known.any():  # as of transfer losses, where no model was trained on the vendor tested on
        return
    rows = rows[known]
    values = values[known]
    figure.add_trace(
        go.Scatter(
            x=values.tolist(),
            y=[names.index(name_of(row)) - above for row in rows.to_dict("records")],
            mode="markers",
            name=word,
            marker={
                "size": 9,
                "color": colour,
                "symbol": ["circle" if holm < CHANCE else "circle-open" for holm in rows["holm"]],
                "line": {"width": 2},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": (rows["high"] - values).tolist(),
                "arrayminus": (values - rows["low"]).tolist(),
                "thickness": 1.5,
                "width": 3,
            },
            text=[escape(name_of(row)) for row in rows.to_dict("records")],
            hovertemplate=f"%{{text}}<br>{word} %{{x:+.3f}}<extra></extra>",
        )
    )
