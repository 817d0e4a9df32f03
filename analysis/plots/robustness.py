"""The metric against the severity of each corruption: the chosen rate beside full sampling, in small panels."""

import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.plots.common import DOMAINS, FAINT, blank, faded
from analysis.results.robustness import Robust
from analysis.statistics.measures import MEASURES
from tune_ks.core.rate_words import rate_words

COLUMNS = 2  # to be read on a phone too
LINES = {"chosen": "solid", "full sampling": "dot"}  # sampling -> dash of its line


def plot_robustness(comparison: Robust) -> go.Figure:
    """A panel a corruption; colour is the domain, the line's style the sampling; bars are 90 % intervals."""
    curves = comparison.curves
    names = curves["corruption"].unique().tolist()
    panel_rows = math.ceil(len(names) / COLUMNS)
    figure = make_subplots(
        panel_rows,
        COLUMNS,
        shared_yaxes=True,
        subplot_titles=[name.replace("_", " ") for name in names],
        horizontal_spacing=0.03,
        vertical_spacing=0.08,
    )
    figure.update_layout(blank().layout)
    figure.update_layout(legend_y=1.05)  # above the panels' names
    for (sampling, domain, corruption), rows in curves.groupby(["sampling", "domain", "corruption"], sort=False):
        panel = names.index(corruption)
        rate = f"rate {rate_words(comparison.rate)}" if sampling == "chosen" else sampling
        line = _line(rows, domain, sampling, rate)
        line.update(showlegend=panel == 0)  # the legend holds a line once
        figure.add_trace(line, row=panel // COLUMNS + 1, col=panel % COLUMNS + 1)
    figure.update_xaxes(tickvals=list(range(6)), zeroline=False)
    figure.update_yaxes(zeroline=False)
    figure.update_annotations(font_size=12)
    figure.update_yaxes(title_text=MEASURES[comparison.metric].title, col=1)
    figure.update_xaxes(title_text="severity", row=panel_rows)
    return figure


def _line(rows: pd.DataFrame, domain: str, sampling: str, rate: str) -> go.Scatter:
    """One corruption's metric by severity, in one domain and with one sampling."""
    words, colour = DOMAINS[domain]
    corruption = rows["corruption"].iloc[0]
    return go.Scatter(
        x=rows["severity"],
        y=rows["value"],
        mode="lines+markers",
        name=f"{words}, {rate}",
        legendgroup=f"{domain} {sampling}",
        line={"color": colour, "dash": LINES[sampling], "width": 2},
        marker={"size": 4},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": rows["high"] - rows["value"],
            "arrayminus": rows["value"] - rows["low"],
            "thickness": 1,
            "width": 0,
            "color": faded(colour, FAINT),
        },
        hovertemplate=f"{corruption}, severity %{{x}}<br>{words}, {rate}: %{{y:.3f}}<extra></extra>",
    )
