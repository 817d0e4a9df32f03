"""Learning curves of one source vendor: a line a trial, coloured by rate."""

import math

import plotly.graph_objects as go

from analysis.plots.common import blank, rate_bar, rate_colours, rate_ticks
from analysis.results.training_info import LearningCurve, TrainingInfo


def plot_training(info: TrainingInfo) -> go.Figure:
    """One entry of the records' histories against the epoch."""
    ticks = rate_ticks(info.rates)
    figure = blank("epoch", info.words, legend=False)
    by_rate: dict[float, list[LearningCurve]] = {}
    for curve in info.curves:
        by_rate.setdefault(curve.rate, []).append(curve)
    for rate, curves in by_rate.items():
        colour = rate_colours([rate], math.log2(ticks[0]))[0]
        figure.add_trace(_lines(curves, colour))
    rate_bar(figure, ticks)
    return figure


def _lines(curves: list[LearningCurve], colour: str) -> go.Scatter:
    """All lines of one colour as one trace with gaps: a trace a trial is slow to check and to draw."""
    x, y, text = [], [], []
    for curve in curves:
        about = f"rate {curve.rate:.3f}, seed {curve.seed}, {curve.key}"
        x += [*curve.epochs, None]
        y += [*(round(value, 4) for value in curve.values), None]
        text += [about] * len(curve.epochs) + [None]
    return go.Scatter(
        x=x,
        y=y,
        text=text,
        mode="lines",
        line={"width": 1.2, "color": colour},
        opacity=0.75,
        hovertemplate="%{text}<br>epoch %{x}: %{y:.3f}<extra></extra>",
    )
