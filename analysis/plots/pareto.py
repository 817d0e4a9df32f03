"""The Pareto plot of one source vendor: every trial, every configuration, the front, the choice, full sampling."""

import math
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import (
    GREEN,
    GREY,
    ORANGE,
    SPLIT_WORDS,
    SYMBOLS,
    about_configurations,
    about_trials,
    blank,
    faded,
    rate_bar,
    rate_colours,
    rate_ticks,
)
from analysis.read.configurations import FULL
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.statistics.uncertain_front import SURFACES

CROWD = 60  # configurations: beyond it large points hide each other
HOVER = "%{text}<br>in-domain %{x:.3f}, cross-domain %{y:.3f}<extra></extra>"


def plot_pareto(analysis: Analysis, vendor: str) -> go.Figure:
    """In-domain against cross-domain metric on the split that chose.

    A trace whose ``meta.points`` is set can be filtered: its customdata are [mask family, temperature or ""].
    """
    computed = analysis.vendors[vendor]
    selection, split = computed.selection, computed.split
    x, y = f"{split}_in_domain", f"{split}_cross_domain"
    figure = blank(*(f"{word} {SPLIT_WORDS[split]} {analysis.measure.title}" for word in ("in-domain", "cross-domain")))
    own = computed.configurations.dropna(subset=[x, y])
    seeds = analysis.run.trials[analysis.run.trials["vendor"] == vendor].dropna(subset=[x, y])
    ticks = rate_ticks(analysis.configurations["realised_rate"])
    family = seeds["mask"].where(~seeds["full"].astype(bool), FULL)
    figure.add_trace(
        _points(seeds, x, y, family, about_trials(seeds), "trial", "single trial").update(
            marker={"size": 5, "color": GREY, "opacity": 0.6}
        )
    )
    uncertain = computed.uncertain_front
    shown = [own, seeds, *([] if uncertain is None else [uncertain.attainment])]
    ranges = _range(shown, (x, "in_domain")), _range(shown, (y, "cross_domain"))
    figure.update_layout(xaxis={"range": ranges[0]}, yaxis={"range": ranges[1]})
    _front(figure, computed, (ranges[0][0], ranges[1][0]))
    for symbol, (name, part) in zip(cycle(SYMBOLS), own[~own["full"].astype(bool)].groupby("family", sort=True)):
        colours = rate_colours(part["realised_rate"], math.log2(ticks[0]))
        marker = {
            "size": 12 if len(own) <= CROWD else 7,
            "symbol": symbol,
            "color": colours,
            "line": {"width": 1, "color": GREY},
        }
        trace = _points(part, x, y, part["family"], about_configurations(part), "configuration", str(name))
        figure.add_trace(trace.update(marker=marker))
    full = own[own["full"].astype(bool)]
    if len(full):
        trace = _points(full, x, y, full["family"], about_configurations(full), "configuration", FULL)
        figure.add_trace(trace.update(marker={"size": 15, "symbol": "diamond-wide", "color": "#d6c23c"}))
    if not math.isnan(selection.rate) and not math.isnan(selection.values.get(y, math.nan)):
        figure.add_trace(
            go.Scatter(
                x=[selection.values[x]],
                y=[selection.values[y]],
                mode="markers+text",
                name=f"chosen ({selection.rule})",
                text=[f"{selection.rate:.3f}"],
                textposition="top center",
                marker={"size": 22, "symbol": "star-open", "color": ORANGE, "line": {"width": 2}},
                hovertemplate=f"chosen by {selection.rule}: rate {selection.rate:.3f}<extra></extra>",
            )
        )
    rate_bar(figure, ticks)
    return figure


def _points(part: pd.DataFrame, x: str, y: str, family: pd.Series, text: list[str], kind: str, name: str) -> go.Scatter:
    temperature = ["" if pd.isna(t) else float(t) for t in part["temperature"]]
    return go.Scatter(
        x=part[x].tolist(),
        y=part[y].tolist(),
        mode="markers",
        name=name,
        text=text,
        customdata=[[f, t] for f, t in zip(family, temperature)],
        meta={"points": kind},
        hovertemplate=HOVER,
    )


def _front(figure: go.Figure, computed: VendorAnalysis, floor: tuple[float, float]) -> None:
    """The front as a distribution (a band of attainment surfaces), and the measured one."""
    uncertain = computed.uncertain_front
    if uncertain is not None:
        of = {p: _staircase(part, floor) for p, part in uncertain.attainment.groupby("percent")}
        best, middle, worst = (of[percent] for percent in SURFACES)
        figure.add_trace(
            go.Scatter(
                x=best[0] + worst[0][::-1],
                y=best[1] + worst[1][::-1],
                fill="toself",
                fillcolor=faded(GREEN, 0.16),
                line={"color": GREEN, "width": 0.5},
                mode="lines",
                name="front, 10 to 90 %",
                hoverinfo="skip",
            )
        )
        line = {"color": GREEN, "width": 2}
        figure.add_trace(
            go.Scatter(x=middle[0], y=middle[1], mode="lines", name="front, median", line=line, hoverinfo="skip")
        )
    measured = computed.fronts["two_objectives"].points.sort_values("in_domain")
    figure.add_trace(
        go.Scatter(
            x=measured["in_domain"].tolist(),
            y=measured["cross_domain"].tolist(),
            mode="lines",
            name="front, measured",
            line={"color": GREY, "width": 1.5},
            hoverinfo="skip",
        )
    )


def _staircase(surface: pd.DataFrame, floor: tuple[float, float]) -> tuple[list[float], list[float]]:
    """The corners of an attainment surface, run out to the floor of both axes: what lies below is attained."""
    surface = surface.sort_values("in_domain")
    x, y = surface["in_domain"].round(4).tolist(), surface["cross_domain"].round(4).tolist()
    corners_x, corners_y = [floor[0]], [y[0]]
    for at, here, below in zip(x, y, [*y[1:], floor[1]]):
        corners_x += [at, at]
        corners_y += [here, below]
    return corners_x, corners_y


def _range(parts: list[pd.DataFrame], columns: tuple[str, str]) -> list[float]:
    """The ends of an axis that holds every part; each part has one of the columns."""
    values = pd.concat([part[next(name for name in columns if name in part)] for part in parts]).astype(float)
    room = 0.06 * max(values.max() - values.min(), 0.02)
    return [float(values.min() - room), float(values.max() + room)]
