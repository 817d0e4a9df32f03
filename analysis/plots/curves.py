"""The source study's two curves of one source vendor: metric against the realised rate, in-domain and cross-domain."""

import math
from html import escape
from itertools import cycle
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from analysis.choice.selection import Selection
from analysis.plots.common import (
    DASHES,
    DOMAINS,
    FAINT,
    FILLING,
    GREY,
    SPLIT_WORDS,
    SYMBOLS,
    TOP,
    about_configurations,
    about_trials,
    add_entry,
    band,
    blank,
    error_bars,
    faded,
    rate_axis,
    wrapped,
)
from analysis.results.curves_info import BaselineLevel, CurvesInfo, ShownCurve
from analysis.results.yardsticks import YardstickCurve
from analysis.statistics.curve import Curve
from tune_ks.core.rate_words import rate_words

CROWD = 60  # points of a curve: beyond it their bars hide everything
FITTED_WIDTH = 3.5  # of the fitted mean: a measured curve is thinner
ASIDE = {"in_domain": 1 / 1.02, "cross_domain": 1.02}  # so that the bars of one rate stand side by side


class Line(NamedTuple):
    """How one curve looks, in both domains."""

    curve: ShownCurve
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


def plot_curves(info: CurvesInfo) -> go.Figure:
    """Every seed a small point, every configuration a point with its interval, one line a curve.

    The legend has one entry a domain (a colour, which hides it) and one a curve (a dash and a symbol).
    """
    title = info.measure.title
    lines = _lines(info.curves)
    figure = blank("", f"{SPLIT_WORDS[info.split]} {title}")
    hover = f"%{{text}}<br>{title} %{{y:.3f}}<extra></extra>"
    for domain, (word, colour) in DOMAINS.items():
        score = Score(f"{info.split}_{domain}", domain, word, colour, hover)
        if info.configurations[score.column].isna().all():
            continue
        marker = {"symbol": f"circle{FILLING[domain]}", "size": 9}
        add_entry(figure, word, "lines+markers", line={"color": colour, "width": 6}, marker=marker, legendgroup=word)
        for of_curve in info.fitted:
            _add_band(figure, getattr(of_curve, domain), score)
        _add_trials(figure, info.trials, score)
        for line in lines:
            _add_line(figure, line, score)
        _add_choice(figure, info.selection, score)
    for line in lines:
        style = {"line": {"color": GREY, "dash": line.dash, "width": 1.5}, "marker": {"symbol": line.symbol}}
        add_entry(figure, wrapped(line.curve.name), line.mode, **style)
    if info.fitted:
        name = "fitted mean (what rules read)" if info.read_by_rules else "fitted mean"
        add_entry(figure, name, "lines", line={"color": GREY, "width": FITTED_WIDTH})
        add_entry(figure, "90 % band of the curve", "lines", line={"color": faded(GREY, 0.4), "width": 9})
    _add_yardsticks(figure, info)
    rates = info.configurations["realised_rate"]
    if info.baselines is not None:
        _add_baselines(figure, info.baselines, info.measure.yardstick.name, rates)
    rate_axis(figure, rates, info.rate_units)
    figure.update_yaxes(autorangeoptions={"clipmax": TOP})
    return figure


def _lines(curves: list[ShownCurve]) -> list[Line]:
    """Each curve with a dash and a symbol."""
    lines = []
    for curve, dash, symbol in zip(curves, cycle(DASHES), cycle(SYMBOLS)):
        lines.append(Line(curve, "lines+markers" if curve.joined else "markers", dash, symbol))
    return lines


def _add_band(figure: go.Figure, curve: Curve | None, score: Score) -> None:
    """The fitted curve and its 90 % band."""
    if curve is None:
        return
    low = curve.low.round(4).tolist()
    high = curve.high.round(4).tolist()
    band(figure, curve.rates.tolist(), low, high, score.colour, f"90 % band, {score.word}", **score.unlisted)
    figure.add_trace(
        go.Scatter(
            x=curve.rates.tolist(),
            y=curve.mean.round(4).tolist(),
            mode="lines",
            name=f"fitted mean, {score.word}",
            line={"color": score.colour, "width": FITTED_WIDTH},
            opacity=FAINT,
            text=[rate_words(float(rate)) for rate in curve.rates],
            hovertemplate=f"fitted mean, {score.word}<br>rate %{{text}}: %{{y:.3f}}<extra></extra>",
            **score.unlisted,
        )
    )


def _add_trials(figure: go.Figure, trials: pd.DataFrame, score: Score) -> None:
    figure.add_trace(
        go.Scatter(
            x=score.x(trials["realised_rate"]),
            meta={"rates": trials["realised_rate"].tolist()},
            y=trials[score.column].tolist(),
            mode="markers",
            name=f"one trial, {score.word}",
            marker={"size": 4, "color": score.colour, "opacity": FAINT},
            text=about_trials(trials),
            hovertemplate=score.hover,
            **score.unlisted,
        )
    )


def _add_line(figure: go.Figure, line: Line, score: Score) -> None:
    table = line.curve.configurations
    # a fixed family's bars would hide those of the learned one; they stand in the table
    bars = len(table) <= CROWD and table["learned"].astype(bool).all()
    figure.add_trace(
        go.Scatter(
            x=score.x(table["realised_rate"]),
            meta={"rates": table["realised_rate"].tolist()},
            y=table[score.column].tolist(),
            mode=line.mode,
            name=f"{escape(line.curve.name)}, {score.word}",
            line={"color": score.colour, "dash": line.dash, "width": 1.5},
            marker={"size": 7, "symbol": line.symbol + FILLING[score.domain]},
            error_y=error_bars(table, score.column) if bars else None,
            text=about_configurations(table),
            customdata=[keys[0] for keys in table["keys"]],  # a click opens that trial
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
            meta={"rates": [selection.rate]},
            y=[value],
            mode="markers",
            name="chosen",
            marker={"size": 18, "symbol": "star-open", "color": score.colour, "line": {"width": 2}},
            hovertemplate=f"chosen by {selection.rule}: rate {rate_words(selection.rate)}<extra></extra>",
            **score.unlisted,
        )
    )


def _add_yardsticks(figure: go.Figure, info: CurvesInfo) -> None:
    """What the best yardstick reaches under the masks of each family: small crosses, joined by a dotted line."""
    for curve in info.yardsticks:
        for domain, (word, colour) in DOMAINS.items():
            _add_yardstick(figure, curve, Score(f"{info.split}_{domain}", domain, word, colour, ""))
    for name in dict.fromkeys(curve.name for curve in info.yardsticks):
        style = {"line": {"color": GREY, "width": 1, "dash": "dot"}, "marker": {"symbol": "x-thin-open", "size": 6}}
        add_entry(figure, escape(name), "lines+markers", **style)


def _add_yardstick(figure: go.Figure, curve: YardstickCurve, score: Score) -> None:
    """The best yardstick in one domain; nothing where it has no such score."""
    if curve.scores[score.column].isna().all():
        return
    of_what = f"images of {escape(curve.family)}, {score.word}"
    figure.add_trace(
        go.Scatter(
            x=score.x(curve.scores["realised_rate"]),
            meta={"rates": curve.scores["realised_rate"].tolist()},
            y=curve.scores[score.column].tolist(),
            mode="lines+markers",
            name=f"{escape(curve.name)}, {of_what}",
            line={"color": score.colour, "width": 1, "dash": "dot"},
            marker={"size": 6, "symbol": "x-thin", "line": {"color": score.colour, "width": 1.5}},
            opacity=FAINT,
            text=[
                f"{escape(yardstick)}, {of_what}<br>rate {rate_words(rate)}"
                for yardstick, rate in zip(curve.scores["yardstick"], curve.scores["realised_rate"], strict=True)
            ],
            hovertemplate="%{text}: %{y:.3f}<extra></extra>",
            **score.unlisted,
        )
    )


def _add_baselines(figure: go.Figure, levels: list[BaselineLevel], name: str, rates: pd.Series) -> None:
    """The best baseline of each vendor as a horizontal line over all rates."""
    for level in levels:
        word, colour = DOMAINS[level.domain]
        figure.add_trace(
            go.Scatter(
                x=[rates.min(), rates.max()],
                y=[level.value] * 2,
                mode="lines",
                name=f"{name}, {word}",
                legendgroup=word,
                showlegend=False,
                line={"color": colour, "width": 1, "dash": "dot"},
                opacity=FAINT,
                hovertemplate=f"{level.baseline} of {escape(level.vendor)}: {level.value:.3f}<extra></extra>",
            )
        )
    add_entry(figure, name, "lines", line={"color": GREY, "width": 1, "dash": "dot"})
