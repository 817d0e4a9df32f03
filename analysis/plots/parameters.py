"""Hyperparameters: importance as bars, every configuration as a line over parallel axes."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import BLUE, GREY, blank, rate_colours
from analysis.read.configurations import plain_name
from analysis.results.importance import Importance, hyperparameters

FEW = 8  # values that get a tick each
SCORES = ("val_in_domain", "val_cross_domain", "test_in_domain", "test_cross_domain")


def plot_importance(found: Importance, title: str) -> go.Figure:
    """Bars in the metric's units, most important on top; whiskers one standard deviation over folds and shuffles."""
    figure = blank(f"{title} lost when shuffled", "", legend=False)
    rows = found.table[::-1]
    figure.add_trace(
        go.Bar(
            x=rows["importance"].tolist(),
            y=[name.replace("_", " ") for name in rows["hyperparameter"]],
            orientation="h",
            marker={"color": BLUE},
            error_x={"type": "data", "array": rows["spread"].tolist(), "color": GREY, "thickness": 1},
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    return figure


def plot_parallel(own: pd.DataFrame) -> go.Figure | None:
    """One vendor's configurations over rate, varied fields and scores; None with fewer than two complete ones."""
    below = own[~own["full"].astype(bool)]
    names = ["realised_rate", *hyperparameters(own), *(n for n in SCORES if below[n].notna().any())]
    complete = below.dropna(subset=[n for n in names if n in SCORES])
    if len(complete) < 2 or len(names) < 3:
        return None
    dimensions = [_dimension(complete[name], plain_name(name)) for name in names]
    rates = np.log2(complete["realised_rate"].astype(float))
    scale = rate_colours(pd.Series(2.0 ** np.linspace(rates.min(), 0, 9)), rates.min())
    figure = blank(legend=False)
    figure.update_layout(margin={"l": 60, "r": 40, "t": 60, "b": 24})
    line = {
        "color": rates.tolist(),
        "cmin": rates.min(),
        "cmax": 0,
        "colorscale": [[i / 8, c] for i, c in enumerate(scale)],
    }
    figure.add_trace(
        go.Parcoords(dimensions=dimensions, line=line, labelangle=-20, unselected={"line": {"opacity": 0.1}})
    )
    return figure


def _dimension(column: pd.Series, name: str) -> dict:
    label = name.replace("_", " ").replace(" in domain", "<br>in-domain").replace(" cross domain", "<br>cross-domain")
    if name == "realised_rate":
        values = np.log2(column.astype(float))
        ticks = np.unique(values.round(6))
        ticks = ticks if len(ticks) <= 8 else np.linspace(ticks[0], ticks[-1], 6)
        text = [f"{2.0**t:.3g}" for t in ticks]
        return {"label": "rate", "values": values.tolist(), "tickvals": ticks.tolist(), "ticktext": text}
    if pd.api.types.is_numeric_dtype(column) and column.notna().all():
        return {"label": label, "values": column.astype(float).tolist()}
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > FEW:
        low, high = column.min(), column.max()
        none, ticks = low - (high - low) / 6, np.linspace(low, high, 5)
        text = ["none", *(f"{t:.2g}" for t in ticks)]
        return {"label": label, "values": column.fillna(none).tolist(), "tickvals": [none, *ticks], "ticktext": text}
    words = column.map(lambda v: "none" if pd.isna(v) else f"{v:g}" if isinstance(v, float) else str(v))
    codes, known = pd.factorize(words, sort=True)
    return {"label": label, "values": codes.tolist(), "tickvals": list(range(len(known))), "ticktext": list(known)}
