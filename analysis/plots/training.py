"""Learning curves of one source vendor: a line a trial, coloured by rate."""

import math

import plotly.graph_objects as go

from analysis.plots.common import blank, rate_bar, rate_colours, rate_ticks
from analysis.results.training_info import TrainingInfo


def plot_training(info: TrainingInfo) -> go.Figure:
    """One entry of the records' histories against the epoch."""
    ticks = rate_ticks(info.rates)
    figure = blank("epoch", info.words, legend=False)
    lines = []
    for curve in info.curves:
        colour = rate_colours([curve.rate], math.log2(ticks[0]))[0]
        about = f"rate {curve.rate:.3f}, seed {curve.seed}, {curve.key}"
        line = {
            "x": curve.epochs,
            "y": [round(value, 4) for value in curve.values],
            "mode": "lines",
            "line": {"width": 1.2, "color": colour},
            "opacity": 0.75,
            "hovertemplate": f"{about}<br>epoch %{{x}}: %{{y:.3f}}<extra></extra>",
        }
        lines.append(go.Scatter(line))
    figure.add_traces(lines)  # in one call: one a trial, which plotly checks anew, took longer than to make them
    rate_bar(figure, ticks)
    return figure
