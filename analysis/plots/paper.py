"""A figure as it is printed: on white, with title, a mark where the cohort is a phantom, and the numbers behind it."""

import base64
from collections.abc import Iterator, Sequence
from html import unescape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

INK, LINE, WHITE = "#1c2430", "#d5dae1", "#ffffff"
MARK_COLOUR = "rgba(176,0,32,0.22)"
TITLE_HEIGHT = 46  # pixels above the axes of a figure without a legend
LETTERS = "ABCDEFGH"
COLUMNS = 2  # panels side by side in a joint figure
NUMBERS = ["trace", "x", "y", "z", "low", "high", "about"]


class Panel(NamedTuple):
    """A drawn figure of a joint one."""

    svg: bytes
    width: int  # pixels
    height: int


def on_paper(figure: go.Figure, title: str, about: str, mark: str = "") -> go.Figure:
    """The figure with dark ink on white and its title; ``about``: a second line. Buttons of the page are left out.

    The title is the legend's where there is one: a legend above the axes grows with its entries, and would cover any
    other. ``mark`` is written across the axes.
    """
    text = f"<b>{title}</b><br>{about}"
    axis = {"gridcolor": LINE, "linecolor": LINE, "zerolinecolor": LINE}
    layout: dict[str, Any] = {
        "paper_bgcolor": WHITE,
        "font": {"color": INK},
        "xaxis": axis,
        "yaxis": axis,
        "updatemenus": [],
    }
    if figure.layout.showlegend:
        layout["legend"] = {"title": {"text": text, "side": "top", "font": {"size": 13}}}
        layout["margin"] = {"b": 52}
    else:
        place = {"x": 0.05, "xanchor": "left", "xref": "container", "y": 1, "yanchor": "top", "yref": "container"}
        layout["title"] = {"text": text, **place, "pad": {"t": 14}, "font": {"size": 13}}
        layout["margin"] = {"t": TITLE_HEIGHT + (figure.layout.margin.t or 0)}
        if figure.layout.height:
            layout["height"] = figure.layout.height + TITLE_HEIGHT
    figure.update_layout(layout)
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
    """The ends of the vertical bars of a trace."""
    bars = getattr(trace, "error_y", None)
    if bars is None or bars.array is None or not len(bars.array):
        return [None] * number, [None] * number
    y = np.array(trace.y, dtype=float)
    below = bars.array if bars.arrayminus is None else bars.arrayminus
    return (y - np.array(below, dtype=float)).tolist(), (y + np.array(bars.array, dtype=float)).tolist()


def _plain(text: Any) -> str:
    return unescape(str(text).replace("<br>", "; "))


def joint(panels: Sequence[Panel]) -> go.Figure:
    """Drawn panels in a grid with their letters, as one figure; they stay vectors."""
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
        figure.add_annotation(
            text=f"<b>{LETTERS[number]}</b>",
            x=left + 4,
            y=top + 2,
            xanchor="left",
            yanchor="top",
            showarrow=False,
            font={"size": 18, "color": INK},
        )
    return figure
