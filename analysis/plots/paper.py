"""A figure as it is printed: on white, with title, a mark where the cohort is a phantom, and the numbers behind it."""

import base64
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

INK, LINE, WHITE = "#1c2430", "#d5dae1", "#ffffff"
MARK_COLOUR = "rgba(214,40,60,0.4)"  # seen on white and on a dark heat map
TITLE_HEIGHT, LINE_HEIGHT = 28, 17  # pixels above the axes of a figure without a legend: of a title, of a line more
LETTERS = "ABCDEFGH"  # of panels
CROWD, SMALL = 8, 9  # legend entries from which on a panel's are this small (points)
COLUMNS = 2  # panels side by side in a joint figure
NUMBERS = ["trace", "x", "y", "z", "low", "high", "about"]


class Panel(NamedTuple):
    """A drawn figure of a joint one."""

    svg: bytes
    width: int  # pixels
    height: int


def on_paper(figure: go.Figure, title: str, about: str, mark: str = "") -> go.Figure:
    """A copy with dark ink on white and its title; ``about``: the lines below it. Buttons of the page are left out.

    The title is the legend's where there is one: a legend above the axes grows with its entries, and would cover any
    other. ``mark`` is written across the axes.
    """
    figure = go.Figure(figure)
    text = f"<b>{title}</b><br>{about}"
    height = TITLE_HEIGHT + LINE_HEIGHT * (1 + about.count("<br>"))
    layout: dict[str, Any] = {"updatemenus": []}
    if figure.layout.showlegend:
        layout["legend"] = {"title": {"text": text, "side": "top", "font": {"size": 13}}}
        layout["margin"] = {"b": 52}
    else:
        place = {"x": 0.05, "xanchor": "left", "xref": "container", "y": 1, "yanchor": "top", "yref": "container"}
        layout["title"] = {"text": text, **place, "pad": {"t": 14}, "font": {"size": 13}}
        layout["margin"] = {"t": height + (figure.layout.margin.t or 0)}
        if figure.layout.height:
            layout["height"] = figure.layout.height + height
    on_white(figure).update_layout(layout)
    if mark:
        figure.add_annotation(
            text=mark,
            xref="paper",
            yref="paper",
            x=0.5,
            y=0.5,
            textangle=-20,
            showarrow=False,
            font={"size": 40, "color": MARK_COLOUR},
        )
    return figure


def on_white(figure: go.Figure) -> go.Figure:
    """The figure itself, with dark ink on white."""
    axis = {"gridcolor": LINE, "linecolor": LINE, "zerolinecolor": LINE}
    return figure.update_layout(paper_bgcolor=WHITE, font={"color": INK}, xaxis=axis, yaxis=axis)


def as_panel(figure: go.Figure, number: int, height: int) -> go.Figure:
    """A figure of on_paper() as the panel ``number`` of a joint figure: with its letter, and a smaller legend."""
    panel = go.Figure(figure)
    letter = f"<b>{LETTERS[number]}</b>   "
    listed = sum(trace.showlegend is not False for trace in panel.data)
    if panel.layout.showlegend:
        panel.layout.legend.title.text = letter + panel.layout.legend.title.text
        if listed > CROWD:
            panel.layout.legend.font.size = SMALL
    else:
        panel.layout.title.text = letter + panel.layout.title.text
    return panel.update_layout(height=height)


def numbers(figure: go.Figure) -> pd.DataFrame:
    """NUMBERS: a row a point that a figure draws, a rate at its true place.

    ``low`` and ``high`` are the ends of its bar, ``z`` is the value of a heat map.
    """
    rows = [row for trace in figure.data for row in _of_trace(trace)]
    return pd.DataFrame(rows, columns=NUMBERS).dropna(axis="columns", how="all")


def _of_trace(trace: Any) -> Iterator[dict[str, Any]]:
    name = _plain(trace.name or trace.type)
    if trace.type == "heatmap":
        for y, line in zip(trace.y, np.asarray(trace.z)):
            for x, z in zip(trace.x, line):
                yield {"trace": name, "x": x, "y": _plain(y), "z": z}
        return
    points = [] if trace.x is None else list(trace.x)
    if isinstance(trace.meta, dict) and "rates" in trace.meta:
        points = trace.meta["rates"]  # they stand aside of these, so that their bars can be told apart
    texts = trace.text if isinstance(trace.text, (list, tuple, np.ndarray)) else [trace.text] * len(points)
    lows, highs = _ends(trace, len(points))
    for x, y, text, low, high in zip(points, trace.y, texts, lows, highs, strict=True):
        if x is not None and y is not None:
            yield {"trace": name, "x": x, "y": y, "low": low, "high": high, "about": _plain(text) if text else None}


def _ends(trace: Any, number: int) -> tuple[Sequence[float | None], Sequence[float | None]]:
    """The ends of the vertical bars of a trace, or of the horizontal ones of a trace without."""
    for name, values in (("error_y", trace.y), ("error_x", trace.x)):
        bars = getattr(trace, name, None)
        if bars is not None and bars.array is not None and len(bars.array):
            middle = np.array(values, dtype=float)
            below = bars.array if bars.arrayminus is None else bars.arrayminus
            low = middle - np.array(below, dtype=float)
            high = middle + np.array(bars.array, dtype=float)
            return low.tolist(), high.tolist()
    return [None] * number, [None] * number


def _plain(text: Any) -> str:
    return unescape(str(text).replace("<br>", "; "))


def joint(panels: Sequence[Panel]) -> go.Figure:
    """Drawn panels in a grid, as one figure; they stay vectors."""
    width = max(panel.width for panel in panels)
    height = max(panel.height for panel in panels)
    across = min(COLUMNS, len(panels))
    rows = -(-len(panels) // across)
    figure = go.Figure(layout={"template": "none", "margin": dict.fromkeys("lrtb", 0), "paper_bgcolor": WHITE})
    figure.update_layout(width=width * across, height=height * rows)
    figure.update_xaxes(visible=False, range=[0, width * across])
    figure.update_yaxes(visible=False, range=[height * rows, 0])
    for number, panel in enumerate(panels):
        left = (number % across) * width
        top = (number // across) * height
        figure.add_layout_image(
            source="data:image/svg+xml;base64," + base64.b64encode(panel.svg).decode(),
            xref="x",
            yref="y",
            x=left,
            y=top,
            sizex=panel.width,
            sizey=panel.height,
            sizing="stretch",
            layer="above",
        )
    return figure
