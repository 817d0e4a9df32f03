"""The source study's two curves of one source vendor: AUC against the realised rate, in-domain and cross-domain."""

import math
from html import escape
from itertools import cycle

import plotly.graph_objects as go

from analysis.baselines import best
from analysis.configurations import curves
from analysis.plots import (
    DASHES,
    DOMAINS,
    SPLIT_WORDS,
    SYMBOLS,
    about_configurations,
    about_trials,
    band,
    blank,
    error_bars,
    rate_axis,
)
from analysis.study import Analysis

CROWD = 60  # points of a curve: beyond it their bars hide everything
MANY = 6  # curves: beyond it lines hide each other, so points of each mask family only


def plot_curves(analysis: Analysis, vendor: str, split: str) -> go.Figure:
    """Every seed a small point, every configuration a point with its interval, one line a curve."""
    selection = analysis.selections[vendor]
    figure = blank("", f"{SPLIT_WORDS[split]} AUC")
    own = analysis.configurations[analysis.configurations["vendor"] == vendor]
    seeds = analysis.run.trials[analysis.run.trials["vendor"] == vendor]
    named, mode = curves(own), "lines+markers"
    if len(named) > MANY:
        named, mode = {str(family): part for family, part in own.groupby("family")}, "markers"
    for domain, (word, colour) in DOMAINS.items():
        name = f"{split}_{domain}"
        fitted = getattr(analysis.curves.get(vendor, {}).get(split), domain, None)
        if fitted is not None:
            ends = fitted.low.round(4).tolist(), fitted.high.round(4).tolist()
            band(figure, fitted.rates.tolist(), *ends, colour, f"90 % band, {word}")
        figure.add_trace(
            go.Scatter(
                x=seeds["realised_rate"].tolist(),
                y=seeds[name].tolist(),
                mode="markers",
                name=f"one trial, {word}",
                marker={"size": 5, "color": colour, "opacity": 0.4},
                text=about_trials(seeds),
                hovertemplate="%{text}<br>AUC %{y:.3f}<extra></extra>",
                showlegend=False,
            )
        )
        for dash, symbol, (curve, part) in zip(cycle(DASHES), cycle(SYMBOLS), named.items()):
            if part[name].isna().all():
                continue
            figure.add_trace(
                go.Scatter(
                    x=part["realised_rate"].tolist(),
                    y=part[name].tolist(),
                    mode=mode,
                    name=f"{escape(curve)}, {word}",
                    line={"color": colour, "dash": dash, "width": 1.5},
                    marker={"size": 7, "symbol": symbol},
                    error_y=error_bars(part, name) if len(part) <= CROWD else None,
                    text=about_configurations(part),
                    hovertemplate="%{text}<br>AUC %{y:.3f}<extra></extra>",
                )
            )
        if not math.isnan(selection.values.get(name, math.nan)):
            figure.add_trace(
                go.Scatter(
                    x=[selection.rate],
                    y=[selection.values[name]],
                    mode="markers",
                    name="chosen",
                    marker={"size": 18, "symbol": "star-open", "color": colour, "line": {"width": 2}},
                    hovertemplate=f"chosen by {selection.rule}: %{{x:.3f}}<extra></extra>",
                    showlegend=False,
                )
            )
    if split == "test":
        _baseline_lines(figure, analysis, vendor)
    rate_axis(figure, own["realised_rate"])
    return figure


def _baseline_lines(figure: go.Figure, analysis: Analysis, vendor: str) -> None:
    """The best one-number baseline of the source vendor, and of each other one, as horizontal lines."""
    own = analysis.configurations[analysis.configurations["vendor"] == vendor]
    ends = [own["realised_rate"].min(), own["realised_rate"].max()]
    for other in analysis.baselines["vendor"].unique():
        row = best(analysis.baselines, other)
        word, colour = DOMAINS["in_domain" if other == vendor else "cross_domain"]
        figure.add_trace(
            go.Scatter(
                x=ends,
                y=[row["auc"]] * 2,
                mode="lines",
                name=f"best one-number baseline, {word}",
                line={"color": colour, "width": 1, "dash": "dot"},
                opacity=0.7,
                hovertemplate=f"{row['baseline']} of {escape(str(other))}: {row['auc']:.3f}<extra></extra>",
            )
        )
