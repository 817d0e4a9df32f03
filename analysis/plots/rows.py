"""Values with intervals in rows one below the other: what is compared stands in one row, below the row's name."""

import math
import textwrap
from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.plots.common import blank, interval_bars, wrapped

LETTERS = 36  # of a line of a name: so many capitals fit on a phone
LINE = 16  # pixels of a line of a name
APART = 9  # pixels between the symbols of one row
GAP = 10  # pixels between two rows
FRAME = 150  # pixels for axis, title and legend


class Marks(NamedTuple):
    """Values of one colour and with one entry of the legend."""

    name: str
    colour: str
    rows: Sequence[int]  # the row of each value, from the top
    symbols: Sequence[str]
    values: Sequence[float]  # NaN: not drawn
    low: Sequence[float]  # NaN: no interval
    high: Sequence[float]
    digits: str = ".3f"  # of a value on hover


def plot_rows(names: Sequence[str], marks: Sequence[Marks], title: str) -> go.Figure:
    """``names`` of the rows, and what stands in them; ``title`` of the axis of values.

    The other axis counts pixels. A name stands above its values: beside them, a phone would have no room for the plot.
    """
    figure = blank(title, "")
    lines = [textwrap.wrap(name, LETTERS) or [""] for name in names]
    heights = [LINE * len(of_name) + APART * len(marks) + GAP for of_name in lines]
    tops = list(accumulate(heights, initial=0))
    starts = [top + LINE * len(of_name) for top, of_name in zip(tops, lines)]
    for number, of_colour in enumerate(marks):
        _add(figure, names, of_colour, [start + APART * (number + 0.5) for start in starts])
    for top, of_name in zip(tops, lines):
        place = {"x": 0, "xref": "paper", "xanchor": "left", "y": top, "yanchor": "top", "align": "left"}
        text = "<br>".join(map(escape, of_name))
        figure.add_annotation(text=text, showarrow=False, font={"size": 12}, borderpad=0, **place)
    figure.update_layout(
        height=FRAME + tops[-1],
        margin={"l": 14},
        yaxis={"range": [tops[-1], 0], "showticklabels": False, "showgrid": False, "zeroline": False},
    )
    return figure


def _add(figure: go.Figure, names: Sequence[str], marks: Marks, places: Sequence[float]) -> None:
    """The symbols of one colour, at their place of each row; nothing where there is no value."""
    if all(map(math.isnan, marks.values)):
        return
    bars = None
    if not all(map(math.isnan, marks.low)):
        bars = interval_bars(marks.values, marks.low, marks.high, thickness=1.5, width=3)
    outline = {"width": 2, "color": marks.colour}
    figure.add_trace(
        go.Scatter(
            x=list(marks.values),
            y=[places[row] for row in marks.rows],
            mode="markers",
            name=wrapped(marks.name),
            marker={"size": 9, "color": marks.colour, "symbol": list(marks.symbols), "line": outline},
            error_x=bars,
            text=[escape(names[row]) for row in marks.rows],
            hovertemplate=f"%{{text}}<br>{escape(marks.name)} %{{x:{marks.digits}}}<extra></extra>",
        )
    )
