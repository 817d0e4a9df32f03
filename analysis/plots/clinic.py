"""What a clinician asks, drawn: sensitivity and specificity at a threshold set beforehand, and reliability."""

from html import escape
from itertools import product

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import BLUE, GREEN, GREY, ORANGE, blank, faded
from analysis.results.operating import SPECIFICITY

OTHERS = (ORANGE, GREEN, GREY)  # vendors that were not trained on, as cross-domain elsewhere


def plot_operating(rows: pd.DataFrame) -> go.Figure:
    """One source vendor's rows of ``clinic.operating``: a line a test vendor and rate."""
    figure = blank("share of test images")
    names = [f"on {escape(row['scored on'])},<br>{row['rate']}" for _, row in rows.iterrows()]
    for what, prefix, colour, symbol in (
        ("sensitivity", "", BLUE, "circle"),
        ("specificity", "its ", GREEN, "square"),
    ):
        figure.add_trace(
            go.Scatter(
                x=rows[what].tolist(),
                y=names,
                mode="markers",
                name=f"{what} reached",
                marker={"size": 10, "symbol": symbol, "color": colour},
                error_x=_bars(rows, what, prefix),
                hovertemplate=f"{what} %{{x:.3f}}<extra></extra>",
            )
        )
    figure.add_vline(x=SPECIFICITY, line={"dash": "dot", "width": 1, "color": GREY})
    figure.update_layout(xaxis={"range": [0, 1.02]}, yaxis={"autorange": "reversed"})
    return figure


def plot_reliability(rows: pd.DataFrame) -> go.Figure:
    """One source vendor's rows of ``clinic.reliability``: observed against predicted, and images a bin below."""
    figure = blank("predicted probability of a tumour", "observed share")
    vendors, rates = rows["scored on"].unique(), rows["rate"].unique()
    for (number, vendor), rate in product(enumerate(vendors), rates):
        part = rows[(rows["scored on"] == vendor) & (rows["rate"] == rate)]
        colour = BLUE if number == 0 else OTHERS[(number - 1) % len(OTHERS)]
        full = rate == "full sampling"
        figure.add_trace(
            go.Scatter(
                x=part["predicted"].round(4).tolist(),
                y=part["observed"].round(4).tolist(),
                mode="lines+markers",
                name=f"{escape(vendor)}, {rate}",
                line={"color": colour, "width": 1.5, "dash": "dot" if full else "solid"},
                marker={"size": 8, "symbol": "circle-open" if full else "circle"},
                error_y=None if full else _bars(part, "observed", ""),
                customdata=part["images"].tolist(),
                hovertemplate="predicted %{x:.2f}, observed %{y:.2f}, %{customdata:.0f} images<extra></extra>",
            )
        )
        if not full:
            figure.add_trace(
                go.Bar(
                    x=((part["from"] + part["to"]) / 2).round(3).tolist(),
                    y=part["images"].round(1).tolist(),
                    name=f"images, {escape(vendor)}",
                    marker={"color": faded(colour, 0.6)},
                    yaxis="y2",
                    showlegend=False,
                    hovertemplate="%{y:.0f} images<extra></extra>",
                )
            )
    ends = {"x": [0, 1], "y": [0, 1], "mode": "lines", "line": {"color": GREY, "width": 1, "dash": "dash"}}
    figure.add_trace(go.Scatter(**ends, name="calibrated", hoverinfo="skip"))
    figure.update_layout(
        xaxis={"range": [0, 1], "anchor": "y2"},
        yaxis={"range": [-0.02, 1.02], "domain": [0.3, 1]},
        yaxis2={"domain": [0, 0.2], "title": {"text": "images"}, "zeroline": False, "automargin": True, "nticks": 3},
    )
    return figure


def _bars(rows: pd.DataFrame, what: str, prefix: str) -> dict:
    low, high = rows[f"{prefix}low"], rows[f"{prefix}high"]
    above, below = (high - rows[what]).clip(lower=0), (rows[what] - low).clip(lower=0)
    ends = {"array": above.fillna(0).round(4).tolist(), "arrayminus": below.fillna(0).round(4).tolist()}
    return {"type": "data", "symmetric": False, "thickness": 1, "width": 3, **ends}
