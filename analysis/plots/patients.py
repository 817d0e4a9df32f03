"""The metric of one source vendor against the number of its training patients: a line a mask and rate."""

from html import escape
from itertools import cycle
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import DASHES, DOMAINS, FILLING, GREY, SYMBOLS, add_entry, blank, error_bars
from analysis.results.learning_curve import PatientsCurve, PatientsInfo

ASIDE = {"in_domain": 1 / 1.01, "cross_domain": 1.01}  # so that bars stand side by side
OF_YARDSTICKS = {"size": 6, "symbol": "x-thin"}


def plot_patients(info: PatientsInfo) -> go.Figure:
    """Test metric, mean over seeds with its interval; what yardsticks reach is dotted."""
    figure = blank("training patients", f"test {info.measure.title}")
    counts = pd.concat([curve.configurations["patients"] for curve in info.curves])
    ticks = sorted(counts.dropna().unique())
    figure.update_layout(xaxis={"type": "log", "tickvals": ticks, "ticktext": [f"{count:.0f}" for count in ticks]})
    styles = list(zip(info.curves, cycle(DASHES), cycle(SYMBOLS)))
    for domain, (word, colour) in DOMAINS.items():
        marker = {"symbol": f"circle{FILLING[domain]}", "size": 9}
        add_entry(figure, word, "lines+markers", line={"color": colour, "width": 6}, marker=marker, legendgroup=word)
        for curve, dash, symbol in styles:
            line = {"color": colour, "dash": dash, "width": 1.5}
            _add_curve(figure, curve, domain, word, line=line, marker={"size": 7, "symbol": symbol + FILLING[domain]})
            _add_yardsticks(figure, curve, domain, word, colour)
    for curve, dash, symbol in styles:
        line = {"color": GREY, "dash": dash, "width": 1.5}
        add_entry(figure, escape(curve.name), "lines+markers", line=line, marker={"symbol": symbol})
    for yardstick in info.curves[0].yardsticks:
        line = {"color": GREY, "dash": "dot", "width": 1}
        add_entry(figure, escape(yardstick), "lines+markers", line=line, marker={"symbol": "x-thin-open"})
    return figure


def _add_curve(figure: go.Figure, curve: PatientsCurve, domain: str, word: str, **style: Any) -> None:
    rows = curve.configurations
    column = f"test_{domain}"
    name = f"{escape(curve.name)}, {word}"
    _add_points(figure, curve, domain, rows[column], name, word, error_y=error_bars(rows, column), **style)


def _add_yardsticks(figure: go.Figure, curve: PatientsCurve, domain: str, word: str, colour: str) -> None:
    """What the best yardstick reaches with the same patients and masks."""
    marker = OF_YARDSTICKS | {"line": {"color": colour, "width": 1.5}}
    for yardstick, scores in curve.yardsticks.items():
        name = f"{escape(yardstick)}, images of {escape(curve.name)}, {word}"
        line = {"color": colour, "dash": "dot", "width": 1}
        _add_points(figure, curve, domain, scores[f"test_{domain}"], name, word, line=line, marker=marker)


def _add_points(
    figure: go.Figure, curve: PatientsCurve, domain: str, values: pd.Series, name: str, word: str, **style: Any
) -> None:
    figure.add_trace(
        go.Scatter(
            x=(curve.configurations["patients"] * ASIDE[domain]).tolist(),
            y=values.tolist(),
            mode="lines+markers",
            name=name,
            legendgroup=word,
            showlegend=False,
            hovertemplate=f"{name}<br>%{{x:.0f}} patients: %{{y:.3f}}<extra></extra>",
            **style,
        )
    )
