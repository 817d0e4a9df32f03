"""Hyperparameters: importance as bars, every configuration as a line over parallel axes."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import BLUE, DOMAINS, GREY, blank, rate_colours
from analysis.read.configurations import plain_name
from analysis.read.trial_rows import SCORES
from analysis.results.importance import Importance, hyperparameters
from analysis.results.sampler_importance import SamplerImportance
from tune_ks.core.rate_words import rate_tick

FEW = 8  # values that get a tick each
SHADES = 9  # of the colour scale


def plot_importance(importance: Importance, title: str) -> go.Figure:
    """Bars in the metric's units, most important on top; whiskers one standard deviation over folds and shuffles."""
    figure = blank(f"{title} lost when shuffled", "", legend=False)
    rows = importance.table[::-1]
    figure.add_trace(
        go.Bar(
            x=rows["importance"].tolist(),
            y=rows["hyperparameter"].tolist(),
            orientation="h",
            marker={"color": BLUE},
            error_x={"type": "data", "array": rows["spread"].tolist(), "color": GREY, "thickness": 1},
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    return figure


def plot_sampler_importance(importance: SamplerImportance) -> go.Figure:
    """Two bars a hyperparameter, in-domain and cross-domain: shares of the variance, most important on top."""
    figure = blank("share of the variance", "")
    rows = importance.table[::-1]
    names = rows["hyperparameter"].tolist()
    for domain, (word, colour) in DOMAINS.items():
        if rows[domain].isna().all():
            continue
        hover = f"%{{y}}, {word}: %{{x:.2f}}<extra></extra>"
        shares = rows[domain].round(4).tolist()
        bars = go.Bar(x=shares, y=names, name=word, orientation="h", marker={"color": colour}, hovertemplate=hover)
        figure.add_trace(bars)
    return figure


def plot_parallel(table: pd.DataFrame) -> go.Figure | None:
    """One vendor's configurations over rate, varied fields and scores; None with fewer than two complete ones."""
    below = table[~table["full"].astype(bool)]
    scores = [name for name in SCORES if below[name].notna().any()]
    complete = below.dropna(subset=scores)
    # what varies among these rows: hyperparameters() counts full sampling too, which is not drawn
    varied = [name for name in hyperparameters(table) if complete[name].nunique(dropna=False) > 1]
    names = ["realised_rate", *varied, *scores]
    if len(complete) < 2 or len(names) < 3:
        return None
    rates = np.log2(complete["realised_rate"].astype(float))
    shades = rate_colours(pd.Series(2.0 ** np.linspace(rates.min(), 0, SHADES)), rates.min())
    line = {
        "color": rates.tolist(),
        "cmin": rates.min(),
        "cmax": 0,
        "colorscale": [[step / (SHADES - 1), shade] for step, shade in enumerate(shades)],
    }
    dimensions = [_dimension(complete[name], name) for name in names]
    figure = blank(legend=False)
    figure.update_layout(margin={"l": 60, "r": 84, "t": 60, "b": 24})
    figure.add_trace(
        go.Parcoords(dimensions=dimensions, line=line, labelangle=-20, unselected={"line": {"opacity": 0.1}})
    )
    return figure


def _dimension(column: pd.Series, name: str) -> dict:
    """One axis: its label, the values, and the ticks where they are not the values themselves."""
    if name == "realised_rate":
        return {"label": "rate", **_rate_axis(column)}
    label = _two_lines(plain_name(name))
    if not pd.api.types.is_numeric_dtype(column):
        return {"label": label, **_text_axis(column)}
    if column.notna().all():
        return {"label": label, "values": column.astype(float).tolist()}
    if column.nunique() > FEW:
        return {"label": label, **_axis_with_none(column)}
    return {"label": label, **_text_axis(column)}


def _two_lines(label: str) -> str:
    """Broken at the space nearest to its middle, so that neighbouring labels do not meet."""
    spaces = [place for place, letter in enumerate(label) if letter == " "]
    if not spaces:
        return label
    middle = min(spaces, key=lambda place: abs(place - len(label) / 2))
    return f"{label[:middle]}<br>{label[middle + 1 :]}"


def _rate_axis(column: pd.Series) -> dict:
    """Rates on a scale of their logarithm, under their own names."""
    values = np.log2(column.astype(float))
    ticks = np.unique(values.round(9))
    if len(ticks) > FEW:
        ticks = np.linspace(ticks[0], ticks[-1], 6)
    return {"values": values.tolist(), "tickvals": ticks.tolist(), "ticktext": [rate_tick(2.0**tick) for tick in ticks]}


def _axis_with_none(column: pd.Series) -> dict:
    """Numbers of which some are missing: these stand below the smallest, as "none"."""
    low = column.min()
    high = column.max()
    none = low - (high - low) / 6
    ticks = np.linspace(low, high, 5)
    text = ["none", *(f"{tick:.2g}" for tick in ticks)]
    return {"values": column.fillna(none).tolist(), "tickvals": [none, *ticks], "ticktext": text}


def _text_axis(column: pd.Series) -> dict:
    """A tick for each value."""
    codes, words = pd.factorize(column.map(_word), sort=True)
    return {"values": codes.tolist(), "tickvals": list(range(len(words))), "ticktext": list(words)}


def _word(value: object) -> str:
    if pd.isna(value):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
