"""Sensitivity against false positives an image: the chosen rate beside full sampling."""

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import DOMAINS, FILLING, blank
from tune_ks.core.metrics import FALSE_POSITIVES

LINES = {"chosen": "solid", "full sampling": "dot"}  # sampling -> dash of its line
SYMBOLS = {"chosen": "circle", "full sampling": "diamond"}


def plot_froc(curves: pd.DataFrame, rate: str) -> go.Figure:
    """``curves`` of froc_curves(); colour is the domain, the line's style the sampling. ``rate`` in words."""
    figure = blank("false positives an image (log scale)", "sensitivity")
    for (sampling, domain), rows in curves.groupby(["sampling", "domain"], sort=False):
        words, colour = DOMAINS[domain]
        sampled = f"rate {rate}" if sampling == "chosen" else sampling
        figure.add_trace(
            go.Scatter(
                x=rows["false_positives"],
                y=rows["sensitivity"],
                mode="lines+markers",
                name=f"{words}, {sampled}",
                line={"color": colour, "dash": LINES[sampling], "width": 2},
                marker={"size": 7, "symbol": SYMBOLS[sampling] + FILLING[domain]},
                customdata=rows["words"],
                hovertemplate=(
                    f"{words}, {sampled}<br>sensitivity %{{y:.3f}} at %{{customdata}} false positives an image"
                    "<extra></extra>"
                ),
            )
        )
    points = {"tickvals": list(FALSE_POSITIVES.values()), "ticktext": list(FALSE_POSITIVES)}
    figure.update_xaxes(type="log", **points)
    figure.update_yaxes(range=[-0.02, 1.02])
    return figure
