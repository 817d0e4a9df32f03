"""The curves of one vendor in two runs: in-domain above cross-domain, over the same rates; a colour is a run."""

import math
from html import escape
from itertools import cycle
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import (
    DASHES,
    DOMAINS,
    GREY,
    SPLIT_WORDS,
    SYMBOLS,
    about_configurations,
    add_entry,
    blank,
    rate_axis,
    wrapped,
)
from analysis.results.curves_info import CurvesInfo, ShownCurve
from analysis.results.two_runs import Pair
from tune_ks.core.rate_words import rate_words

RUN_COLOURS = ("#2a9d6f", "#9b6bd3")  # green, violet: in the report blue and orange are the two domains
RUN_FILLINGS = ("", "-open")  # of the symbols of a run, for a reader who does not see the colours
AXES = {"in_domain": ("y", (0.54, 1.0)), "cross_domain": ("y2", (0.0, 0.46))}  # domain -> its axis, and where it stands


class Look(NamedTuple):
    """What tells a run from the other."""

    name: str
    colour: str
    filling: str  # of its symbols


class Style(NamedTuple):
    """How a curve is drawn: the same in both runs where it has the same name."""

    dash: str
    symbol: str


def plot_two_runs(pair: Pair) -> go.Figure:
    """Every configuration a point, every curve a line, the choice of a run a star."""
    there = []
    for (name, info), colour, filling in zip(pair.sides, RUN_COLOURS, RUN_FILLINGS):
        if info is not None:
            there.append((Look(name, colour, filling), info))
    figure = blank()
    styles = _styles([info for _, info in there])
    for look, info in there:
        marker = {"symbol": f"circle{look.filling}", "size": 9}
        line = {"color": look.colour, "width": 6}
        add_entry(figure, wrapped(look.name), "lines+markers", line=line, marker=marker, legendgroup=look.name)
        for domain in AXES:
            for curve in info.curves:
                _add_curve(figure, curve, styles[curve.name], domain, look, info)
            _add_choice(figure, info, domain, look)
    for curve_name, style in styles.items():
        marker = {"symbol": style.symbol, "color": GREY}
        line = {"color": GREY, "dash": style.dash}
        add_entry(figure, wrapped(curve_name), "lines+markers", line=line, marker=marker)
    rate_axis(figure, pd.concat([info.configurations["realised_rate"] for _, info in there]))
    _stack(figure, f"{SPLIT_WORDS[pair.split]} {there[0][1].measure.title}")
    return figure


def _stack(figure: go.Figure, metric: str) -> None:
    """Two axes one above the other, named by domain, over one axis of the rate."""
    for domain, (axis, place) in AXES.items():
        title = {"text": f"{metric}, {DOMAINS[domain][0]}", "standoff": 8}
        name = axis.replace("y", "yaxis")
        figure.update_layout({name: {"title": title, "domain": place, "zeroline": False, "automargin": True}})
    figure.update_layout(xaxis={"anchor": "y2"})


def _styles(infos: list[CurvesInfo]) -> dict[str, Style]:
    names = dict.fromkeys(curve.name for info in infos for curve in info.curves)
    return {name: Style(dash, symbol) for name, dash, symbol in zip(names, cycle(DASHES), cycle(SYMBOLS))}


def _add_curve(figure: go.Figure, curve: ShownCurve, style: Style, domain: str, look: Look, info: CurvesInfo) -> None:
    table = curve.configurations
    values = table[f"{info.split}_{domain}"]
    if values.isna().all():
        return
    figure.add_trace(
        go.Scatter(
            x=table["realised_rate"].tolist(),
            y=values.tolist(),
            yaxis=AXES[domain][0],
            mode="lines+markers" if curve.joined else "markers",
            name=f"{escape(look.name)}: {escape(curve.name)}",
            line={"color": look.colour, "dash": style.dash, "width": 1.8},
            marker={"size": 7, "symbol": style.symbol + look.filling, "color": look.colour},
            text=about_configurations(table),
            hovertemplate=f"{escape(look.name)}<br>%{{text}}<br>{info.measure.title} %{{y:.3f}}<extra></extra>",
            legendgroup=look.name,
            showlegend=False,
        )
    )


def _add_choice(figure: go.Figure, info: CurvesInfo, domain: str, look: Look) -> None:
    """A star, where a rate was chosen and has this score."""
    selection = info.selection
    value = selection.values.get(f"{info.split}_{domain}", math.nan)
    if math.isnan(value):
        return
    about = f"chosen by {selection.rule}: {rate_words(selection.rate)}"
    figure.add_trace(
        go.Scatter(
            x=[selection.rate],
            y=[value],
            yaxis=AXES[domain][0],
            mode="markers",
            name=f"{escape(look.name)}: chosen",
            marker={"size": 18, "symbol": "star-open", "color": look.colour, "line": {"width": 2}},
            hovertemplate=f"{escape(look.name)}, {about}<extra></extra>",
            legendgroup=look.name,
            showlegend=False,
        )
    )
