"""Learning curves of one source vendor: a line a trial, coloured by rate, dashed by mask family."""

import math
from html import escape
from itertools import cycle

import plotly.graph_objects as go

from analysis.plots.common import DASHES, GREY, blank, rate_bar, rate_colours, rate_ticks
from analysis.read.configurations import FULL
from analysis.results.training_info import LearningCurve, TrainingInfo
from tune_ks.core.rate_words import rate_words

OF_FULL = "dot"  # also where it is short, in a legend; a mask family never has it
OF_MASKS = tuple(dash for dash in DASHES if dash != OF_FULL)
FEW_EPOCHS = 10  # so many epochs have a tick each


def plot_training(info: TrainingInfo) -> go.Figure:
    """One entry of the records' histories against the epoch.

    The legend has one entry a mask family (a dash), which hides its lines; full sampling has a dash of its own.
    """
    ticks = rate_ticks(info.rates)
    figure = blank("epoch", info.words)
    grouped: dict[tuple[str, float], list[LearningCurve]] = {}
    for curve in info.curves:
        grouped.setdefault((curve.family, curve.rate), []).append(curve)
    dashes = _dashes(info.curves)
    for (family, rate), curves in grouped.items():
        colour = rate_colours([rate], math.log2(ticks[0]))[0]
        figure.add_trace(_lines(curves, {"width": 1.3, "color": colour, "dash": dashes[family]}))
    for family, dash in dashes.items():
        style = {"mode": "lines", "line": {"width": 2, "color": GREY, "dash": dash}, "hoverinfo": "skip"}
        figure.add_trace(go.Scatter(x=[None], y=[None], name=escape(family), legendgroup=family, **style))
    rate_bar(figure, ticks)
    if max((curve.epochs[-1] for curve in info.curves), default=0) <= FEW_EPOCHS:
        figure.update_xaxes(dtick=1)  # there is no half epoch
    return figure


def _dashes(curves: list[LearningCurve]) -> dict[str, str]:
    """Mask family -> the dash of its lines, full sampling last."""
    families = {curve.family for curve in curves}
    dashes = dict(zip(sorted(families - {FULL}), cycle(OF_MASKS)))
    return dashes | dict.fromkeys(families & {FULL}, OF_FULL)


def _lines(curves: list[LearningCurve], line: dict) -> go.Scatter:
    """All lines of one family and rate as one trace with gaps: a trace a trial is slow to check and to draw."""
    x, y, text = [], [], []
    family = curves[0].family
    for curve in curves:
        about = f"{escape(family)}, rate {rate_words(curve.rate)}, seed {curve.seed}, {curve.key}"
        x += [*curve.epochs, None]
        y += [*(round(value, 4) for value in curve.values), None]
        text += [about] * len(curve.epochs) + [None]
    return go.Scatter(
        x=x,
        y=y,
        text=text,
        mode="lines",
        line=line,
        legendgroup=family,
        showlegend=False,
        hovertemplate="%{text}<br>epoch %{x}: %{y:.3f}<extra></extra>",
    )
