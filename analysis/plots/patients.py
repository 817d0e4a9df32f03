"""The metric of one source vendor against the number of its training patients: a line a mask and rate."""

from html import escape
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import DASHES, DOMAINS, GREY, SYMBOLS, blank, error_bars
from analysis.results.compute import Analysis
from analysis.results.learning_curve import learning_curves

ASIDE = {"in_domain": 1 / 1.01, "cross_domain": 1.01}  # so that bars stand side by side


def plot_patients(analysis: Analysis, vendor: str) -> go.Figure | None:
    """Test metric, mean over seeds with its interval; yardsticks dotted. None unless there are several shares."""
    curves = learning_curves(analysis.run, analysis.vendors[vendor].configurations)
    if not curves:
        return None
    figure = blank("training patients", f"test {analysis.measure.title}")
    figure.update_layout(xaxis={"type": "log"})
    ticks = sorted({count for rows in curves.values() for count in rows["patients"].dropna()})
    figure.update_layout(xaxis={"tickvals": ticks, "ticktext": [f"{count:.0f}" for count in ticks]})
    for domain, (word, colour) in DOMAINS.items():
        entry = {"mode": "lines", "line": {"color": colour, "width": 6}, "hoverinfo": "skip"}
        figure.add_trace(go.Scatter(x=[None], y=[None], name=word, legendgroup=word, **entry))
        for (name, rows), dash, symbol in zip(curves.items(), cycle(DASHES), cycle(SYMBOLS)):
            column = f"test_{domain}"
            hover = f"{escape(name)}, {word}<br>%{{x:.0f}} patients: %{{y:.3f}}<extra></extra>"
            x = (rows["patients"] * ASIDE[domain]).tolist()
            shared = {"x": x, "mode": "lines+markers", "legendgroup": word, "showlegend": False}
            figure.add_trace(
                go.Scatter(
                    y=rows[column].tolist(),
                    name=f"{escape(name)}, {word}",
                    line={"color": colour, "dash": dash, "width": 1.5},
                    marker={"size": 7, "symbol": symbol},
                    error_y=error_bars(rows, column),
                    hovertemplate=hover,
                    **shared,
                )
            )
            _add_yardsticks(figure, analysis, rows, column, colour, shared)
    for (name, _), dash, symbol in zip(curves.items(), cycle(DASHES), cycle(SYMBOLS)):
        style = {"line": {"color": GREY, "dash": dash, "width": 1.5}, "marker": {"symbol": symbol}}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines+markers", name=escape(name), **style))
    for yardstick in analysis.yardsticks["yardstick"].unique():
        style = {"line": {"color": GREY, "dash": "dot", "width": 1}, "marker": {"symbol": "x-thin-open"}}
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines+markers", name=escape(yardstick), **style))
    return figure


def _add_yardsticks(
    figure: go.Figure, analysis: Analysis, rows: pd.DataFrame, column: str, colour: str, shared: dict
) -> None:
    """What every yardstick reaches with the same patients and masks."""
    for yardstick, of_yardstick in analysis.yardsticks.groupby("yardstick"):
        values = of_yardstick.set_index("configuration")[column].reindex(rows["configuration"])
        hover = f"{escape(str(yardstick))}<br>%{{x:.0f}} patients: %{{y:.3f}}<extra></extra>"
        figure.add_trace(
            go.Scatter(
                y=values.tolist(),
                name=escape(str(yardstick)),
                line={"color": colour, "dash": "dot", "width": 1},
                marker={"size": 6, "symbol": "x-thin", "line": {"color": colour, "width": 1.5}},
                hovertemplate=hover,
                **shared,
            )
        )
