"""The source study's two curves of one source vendor: metric against the realised rate, in-domain and cross-domain."""

import math
from collections.abc import Iterator
from html import escape
from itertools import cycle
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from analysis.choice.selection import Selection
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
from analysis.read.configurations import curve_of, curves
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.statistics.baselines import best
from analysis.statistics.curve import Curve

CROWD = 60  # points of a curve: beyond it their bars hide everything
ASIDE = {"in_domain": 1 / 1.02, "cross_domain": 1.02}  # so that the bars of one rate stand side by side
MANY = 6  # curves: beyond it lines hide each other, so points of each mask family only


class Line(NamedTuple):
    """One curve of the figure, in both domains."""

    name: str
    table: pd.DataFrame  # its configurations, by realised rate
    mode: str  # of plotly: lines+markers or markers
    dash: str
    symbol: str


class Score(NamedTuple):
    """The metric in one domain, and how it is drawn."""

    column: str  # as val_in_domain
    domain: str  # as in_domain
    word: str  # as in-domain
    colour: str
    hover: str  # of a point

    def x(self, rates: pd.Series) -> list[float]:
        """Where the points of these rates stand."""
        return (rates * ASIDE[self.domain]).tolist()

    @property
    def unlisted(self) -> dict:
        """What hides a trace from the legend, and with the domain."""
        return {"legendgroup": self.word, "showlegend": False}


def plot_curves(analysis: Analysis, vendor: str, split: str) -> go.Figure:
    """Every seed a small point, every configuration a point with its interval, one line a curve.

    The legend has one entry a domain (a colour, which hides it) and one a curve (a dash and a symbol).
    """
    computed = analysis.vendors[vendor]
    measure = analysis.measure
    table = computed.configurations
    fitted = computed.fitted[split].curves.values()
    trials = analysis.run.trials[analysis.run.trials["vendor"] == vendor]
    lines = list(_lines(table))
    figure = blank("", f"{SPLIT_WORDS[split]} {measure.title}")
    hover = f"%{{text}}<br>{measure.title} %{{y:.3f}}<extra></extra>"
    for domain, (word, colour) in DOMAINS.items():
        score = Score(f"{split}_{domain}", domain, word, colour, hover)
        if table[score.column].isna().all():
            continue
        _add_entry(figure, word, "lines", line={"color": colour, "width": 6}, legendgroup=word)
        for of_curve in fitted:
            _add_band(figure, getattr(of_curve, domain), score)
        _add_trials(figure, trials, score)
        for line in lines:
            _add_line(figure, line, score)
        _add_choice(figure, computed.selection, score)
    for line in lines:
        style = {"line": {"color": GREY, "dash": line.dash, "width": 1.5}, "marker": {"symbol": line.symbol}}
        _add_entry(figure, escape(line.name), line.mode, **style)
    if fitted:
        _add_entry(figure, "90 % band of the curve", "lines", line={"color": faded(GREY, 0.4), "width": 9})
    if split == "test" and len(analysis.baselines):
        _add_baselines(figure, analysis, computed)
    rate_axis(figure, table["realised_rate"])
    return figure


def _lines(table: pd.DataFrame) -> Iterator[Line]:
    """The curves of a vendor; of too many, points of each mask family."""
    mode = "lines+markers"
    if curve_of(table).max(initial=-1) < MANY:
        named = curves(table)
    else:
        named = {str(family): of_family for family, of_family in table.groupby("family")}
        mode = "markers"
    for (name, rows), dash, symbol in zip(named.items(), cycle(DASHES), cycle(SYMBOLS)):
        yield Line(name, rows, mode, dash, symbol)


def _add_entry(figure: go.Figure, name: str, mode: str, **style) -> None:
    """An entry of the legend, drawn nowhere."""
    figure.add_trace(go.Scatter(x=[None], y=[None], mode=mode, name=name, hoverinfo="skip", **style))


def _add_band(figure: go.Figure, curve: Curve | None, score: Score) -> None:
    """The 90 % band of the fitted curve."""
    if curve is None:
        return
    low = curve.low.round(4).tolist()
    high = curve.high.round(4).tolist()
    band(figure, curve.rates.tolist(), low, high, score.colour, f"90 % band, {score.word}", **score.unlisted)


def _add_trials(figure: go.Figure, trials: pd.DataFrame, score: Score) -> None:
    figure.add_trace(
        go.Scatter(
            x=score.x(trials["realised_rate"]),
            y=trials[score.column].tolist(),
            mode="markers",
            name=f"one trial, {score.word}",
            marker={"size": 5, "color": score.colour, "opacity": 0.4},
            text=about_trials(trials),
            hovertemplate=score.hover,
            **score.unlisted,
        )
    )


def _add_line(figure: go.Figure, line: Line, score: Score) -> None:
    # a fixed family's bars would hide those of the learned one; they stand in the table
    bars = len(line.table) <= CROWD and line.table["learned"].astype(bool).all()
    figure.add_trace(
        go.Scatter(
            x=score.x(line.table["realised_rate"]),
            y=line.table[score.column].tolist(),
            mode=line.mode,
            name=f"{escape(line.name)}, {score.word}",
            line={"color": score.colour, "dash": line.dash, "width": 1.5},
            marker={"size": 7, "symbol": line.symbol},
            error_y=error_bars(line.table, score.column) if bars else None,
            text=about_configurations(line.table),
            hovertemplate=score.hover,
            **score.unlisted,
        )
    )


def _add_choice(figure: go.Figure, selection: Selection, score: Score) -> None:
    """A star, where a rate was chosen and has this score."""
    value = selection.values.get(score.column, math.nan)
    if math.isnan(value):
        return
    figure.add_trace(
        go.Scatter(
            x=[selection.rate * ASIDE[score.domain]],
            y=[value],
            mode="markers",
            name="chosen",
            marker={"size": 18, "symbol": "star-open", "color": score.colour, "line": {"width": 2}},
            hovertemplate=f"chosen by {selection.rule}: {selection.rate:.3f}<extra></extra>",
            **score.unlisted,
        )
    )


def _add_baselines(figure: go.Figure, analysis: Analysis, computed: VendorAnalysis) -> None:
    """The best baseline of the source vendor, and of each other vendor, as horizontal lines."""
    name = analysis.measure.yardstick.name
    rates = computed.configurations["realised_rate"]
    for vendor in analysis.baselines["vendor"].unique():
        row = best(analysis.baselines, vendor, computed.vendor)
        if row is None:  # only the records of another source vendor have it
            continue
        word, colour = DOMAINS["in_domain" if vendor == computed.vendor else "cross_domain"]
        figure.add_trace(
            go.Scatter(
                x=[rates.min(), rates.max()],
                y=[row["value"]] * 2,
                mode="lines",
                name=f"{name}, {word}",
                legendgroup=word,
                showlegend=False,
                line={"color": colour, "width": 1, "dash": "dot"},
                opacity=0.7,
                hovertemplate=f"{row['baseline']} of {escape(str(vendor))}: {row['value']:.3f}<extra></extra>",
            )
        )
    _add_entry(figure, name, "lines", line={"color": GREY, "width": 1, "dash": "dot"})
