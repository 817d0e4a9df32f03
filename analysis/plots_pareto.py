"""The Pareto plot of one source vendor: every trial, every configuration, the front, the choice, full sampling."""

import math
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from analysis.configurations import FULL
from analysis.plots import (
    GREEN,
    GREY,
    ORANGE,
    SPLIT_WORDS,
    SYMBOLS,
    about_configurations,
    about_trials,
    blank,
    rate_bar,
    rate_colours,
    rate_ticks,
)
from analysis.study import Analysis

CROWD = 60  # configurations: beyond it large points hide each other
HOVER = "%{text}<br>in-domain %{x:.3f}, cross-domain %{y:.3f}<extra></extra>"


def plot_pareto(analysis: Analysis, vendor: str) -> go.Figure:
    """In-domain against cross-domain AUC on the split that chose.

    A trace whose ``meta.points`` is set can be filtered: its customdata are [mask family, temperature or ""].
    """
    selection, split = analysis.selections[vendor], analysis.split[vendor]
    x, y = f"{split}_in_domain", f"{split}_cross_domain"
    figure = blank(f"in-domain {SPLIT_WORDS[split]} AUC", f"cross-domain {SPLIT_WORDS[split]} AUC")
    own = analysis.configurations[analysis.configurations["vendor"] == vendor].dropna(subset=[x, y])
    seeds = analysis.run.trials[analysis.run.trials["vendor"] == vendor].dropna(subset=[x, y])
    ticks = rate_ticks(analysis.configurations["realised_rate"])
    family = seeds["mask"].where(~seeds["full"].astype(bool), FULL)
    figure.add_trace(
        _points(seeds, x, y, family, about_trials(seeds), "trial", "one trial").update(
            marker={"size": 5, "color": GREY, "opacity": 0.6}
        )
    )
    _front(figure, analysis, vendor)
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
                name=f"chosen by {selection.rule}",
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


def _front(figure: go.Figure, analysis: Analysis, vendor: str) -> None:
    """The attainment surfaces of the uncertain front, and the non-dominated configurations joined."""
    uncertain = analysis.uncertain_fronts.get(vendor)
    surfaces = [] if uncertain is None else uncertain.attainment.sort_values("in_domain").groupby("percent")
    for percent, surface in surfaces:
        figure.add_trace(
            go.Scatter(
                x=surface["in_domain"].round(4).tolist(),
                y=surface["cross_domain"].round(4).tolist(),
                mode="lines",
                name=f"{percent:g} % attainment",
                line={"color": GREEN, "width": 2 if percent == 50 else 1, "dash": "solid" if percent == 50 else "dot"},
                hoverinfo="skip",
            )
        )
    front = analysis.fronts[vendor][0].points.sort_values("in_domain")
    figure.add_trace(
        go.Scatter(
            x=front["in_domain"].tolist(),
            y=front["cross_domain"].tolist(),
            mode="lines",
            name="front of what a rule may choose",
            line={"color": GREY, "width": 1.5},
            hoverinfo="skip",
        )
    )
