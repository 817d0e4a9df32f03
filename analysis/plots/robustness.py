"""The metric against the severity of each corruption: the chosen rate beside full sampling, in small panels."""

import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.plots.common import DOMAINS, FAINT, FILLING, TOP, blank, faded, interval_bars
from analysis.read.configurations import plain_name
from analysis.results.robustness import Robust
from analysis.statistics.measures import MEASURES
from tune_ks.core.rate_words import rate_words

COLUMNS = 2  # to be read on a phone too
LINES = {"chosen": "solid", "full sampling": "dot"}  # sampling -> dash of its line
SYMBOLS = {"chosen": "circle", "full sampling": "diamond"}
APART = 0.09  # severities between the bars of two lines, which else hide each other


def plot_robustness(comparison: Robust) -> go.Figure:
    """A panel a corruption, all with one axis; colour and filling are the domain, dash and symbol the sampling."""
    curves = comparison.curves
    names = curves["corruption"].unique().tolist()
    panel_rows = math.ceil(len(names) / COLUMNS)
    figure = make_subplots(
        panel_rows,
        COLUMNS,
        shared_yaxes="all",  # a loss is as high in every panel
        subplot_titles=[plain_name(name) for name in names],
        horizontal_spacing=0.03,
        vertical_spacing=0.08,
    )
    figure.update_layout(blank().layout)
    figure.update_layout(legend_y=1.05)  # above the panels' names
    lines = curves.groupby(["sampling", "domain"], sort=False)
    for number, ((sampling, domain), of_line) in enumerate(lines):
        rate = f"rate {rate_words(comparison.rate)}" if sampling == "chosen" else sampling
        for corruption, rows in of_line.groupby("corruption", sort=False):
            panel = names.index(corruption)
            line = _line(rows, domain, sampling, rate, (number - (len(lines) - 1) / 2) * APART)
            line.update(showlegend=panel == 0)  # the legend holds a line once
            figure.add_trace(line, row=panel // COLUMNS + 1, col=panel % COLUMNS + 1)
    figure.update_xaxes(tickvals=list(range(6)), zeroline=False)
    figure.update_yaxes(zeroline=False, autorangeoptions={"clipmax": TOP})
    figure.update_annotations(font_size=12)
    figure.update_yaxes(title_text=MEASURES[comparison.metric].title, col=1)
    for panel in range(len(names))[-COLUMNS:]:  # the lowest of each column
        figure.update_xaxes(title_text="severity", row=panel // COLUMNS + 1, col=panel % COLUMNS + 1)
    return figure


def _line(rows: pd.DataFrame, domain: str, sampling: str, rate: str, aside: float) -> go.Scatter:
    """One corruption's metric by severity, in one domain and with one sampling, ``aside`` of the severity."""
    words, colour = DOMAINS[domain]
    corruption = plain_name(rows["corruption"].iloc[0])
    return go.Scatter(
        x=rows["severity"] + aside,
        y=rows["value"],
        mode="lines+markers",
        name=f"{words}, {rate}",
        legendgroup=f"{domain} {sampling}",
        line={"color": colour, "dash": LINES[sampling], "width": 2},
        marker={"size": 6, "symbol": SYMBOLS[sampling] + FILLING[domain]},
        error_y=interval_bars(
            rows["value"], rows["low"], rows["high"], thickness=1, width=0, color=faded(colour, FAINT)
        ),
        customdata=rows["severity"],
        hovertemplate=f"{corruption}, severity %{{customdata}}<br>{words}, {rate}: %{{y:.3f}}<extra></extra>",
    )
