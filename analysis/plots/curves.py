"""The source study's two curves of one source vendor: metric against the realised rate, in-domain and cross-domain."""

import math
from html import escape
from itertools import cycle

import plotly.graph_objects as go

from analysis.plots.common import (
    DASHES,
    DOMAINS,
    GREY,
    SPLIT_WORDS,
    SYMBOLS,
    about_configurations,
    about_trials,
    band,
    blank,
    error_bars,
    faded,
    rate_axis,
)
from analysis.read.configurations import curves
from analysis.results.compute import Analysis
from analysis.statistics.baselines import best

CROWD = 60  # points of a curve: beyond it their bars hide everything
ASIDE = {"in_domain": 1 / 1.02, "cross_domain": 1.02}  # so that the bars of one rate stand side by side
MANY = 6  # curves: beyond it lines hide each other, so points of each mask family only


def plot_curves(analysis: Analysis, vendor: str, split: str) -> go.Figure:
    """Every seed a small point, every configuration a point with its interval, one line a curve.

    The legend names each thing once: a colour is a domain (and hides it), a dash or a symbol is a mask family.
    """
    figure = blank("", f"{SPLIT_WORDS[split]} {analysis.measure.title}")
    own = analysis.vendors[vendor].configurations
    named, mode = curves(own), "lines+markers"
    if len(named) > MANY:
        named, mode = {str(family): part for family, part in own.groupby("family")}, "markers"
    styles = dict(zip(named, zip(cycle(DASHES), cycle(SYMBOLS))))
    for domain, (word, colour) in DOMAINS.items():
        if own[f"{split}_{domain}"].isna().all():
            continue
        _key(figure, word, "lines", line={"color": colour, "width": 6}, legendgroup=word)
        _measured(figure, analysis, vendor, f"{split}_{domain}", (word, colour), named, styles, mode)
    for curve, (dash, symbol) in styles.items():
        _key(figure, escape(curve), mode, line={"color": GREY, "dash": dash, "width": 1.5}, marker={"symbol": symbol})
    if any(analysis.vendors[vendor].curves[split]):
        _key(figure, "90 % band of the curve", "lines", line={"color": faded(GREY, 0.4), "width": 9})
    if split == "test" and len(analysis.baselines):
        _baseline_lines(figure, analysis, vendor)
        _key(figure, analysis.measure.yardstick.name, "lines", line={"color": GREY, "width": 1, "dash": "dot"})
    rate_axis(figure, own["realised_rate"])
    return figure


def _key(figure: go.Figure, name: str, mode: str, **style) -> None:
    """An entry of the legend, drawn nowhere."""
    figure.add_trace(go.Scatter(x=[None], y=[None], mode=mode, name=name, hoverinfo="skip", **style))


def _measured(figure, analysis: Analysis, vendor: str, name: str, domain: tuple[str, str], named, styles, mode) -> None:
    """One domain's band, trials, configurations and choice."""
    word, colour = domain
    split, of = name.split("_", 1)
    selection, same = analysis.vendors[vendor].selection, {"legendgroup": word, "showlegend": False}
    fitted = getattr(analysis.vendors[vendor].curves[split], of)
    if fitted is not None:
        ends = fitted.low.round(4).tolist(), fitted.high.round(4).tolist()
        band(figure, fitted.rates.tolist(), *ends, colour, f"90 % band, {word}", **same)
    seeds = analysis.run.trials[analysis.run.trials["vendor"] == vendor]
    hover = f"%{{text}}<br>{analysis.measure.title} %{{y:.3f}}<extra></extra>"
    figure.add_trace(
        go.Scatter(
            x=(seeds["realised_rate"] * ASIDE[of]).tolist(),
            y=seeds[name].tolist(),
            mode="markers",
            name=f"one trial, {word}",
            marker={"size": 5, "color": colour, "opacity": 0.4},
            text=about_trials(seeds),
            hovertemplate=hover,
            **same,
        )
    )
    for curve, part in named.items():
        dash, symbol = styles[curve]
        # a yardstick's bars would hide those of what was chosen; they stand in the table
        bars = len(part) <= CROWD and part["learned"].astype(bool).all()
        figure.add_trace(
            go.Scatter(
                x=(part["realised_rate"] * ASIDE[of]).tolist(),
                y=part[name].tolist(),
                mode=mode,
                name=f"{escape(curve)}, {word}",
                line={"color": colour, "dash": dash, "width": 1.5},
                marker={"size": 7, "symbol": symbol},
                error_y=error_bars(part, name) if bars else None,
                text=about_configurations(part),
                hovertemplate=hover,
                **same,
            )
        )
    if not math.isnan(selection.values.get(name, math.nan)):
        figure.add_trace(
            go.Scatter(
                x=[selection.rate * ASIDE[of]],
                y=[selection.values[name]],
                mode="markers",
                name="chosen",
                marker={"size": 18, "symbol": "star-open", "color": colour, "line": {"width": 2}},
                hovertemplate=f"chosen by {selection.rule}: {selection.rate:.3f}<extra></extra>",
                **same,
            )
        )


def _baseline_lines(figure: go.Figure, analysis: Analysis, vendor: str) -> None:
    """The best one-number baseline of the source vendor, and of each other one, as horizontal lines."""
    own = analysis.vendors[vendor].configurations
    ends = [own["realised_rate"].min(), own["realised_rate"].max()]
    for other in analysis.baselines["vendor"].unique():
        row = best(analysis.baselines, other, vendor)
        if row is None:  # told by another source vendor's records only
            continue
        word, colour = DOMAINS["in_domain" if other == vendor else "cross_domain"]
        figure.add_trace(
            go.Scatter(
                x=ends,
                y=[row["value"]] * 2,
                mode="lines",
                name=f"{analysis.measure.yardstick.name}, {word}",
                legendgroup=word,
                showlegend=False,
                line={"color": colour, "width": 1, "dash": "dot"},
                opacity=0.7,
                hovertemplate=f"{row['baseline']} of {escape(str(other))}: {row['value']:.3f}<extra></extra>",
            )
        )
