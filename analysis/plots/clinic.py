"""What a clinician asks, drawn: sensitivity and specificity at a threshold set beforehand, and reliability."""

from html import escape
from itertools import product
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import BLUE, GREEN, GREY, ORANGE, blank, faded
from tune_ks.core.operating_point import SPECIFICITY

OTHERS = (ORANGE, GREEN, GREY)  # vendors that were not trained on, as cross-domain elsewhere
FULL_SAMPLING = "full sampling"  # the rate of rows that are not of the chosen one


class Share(NamedTuple):
    """One share of the test images, in the columns of ``clinic.operating``."""

    name: str
    low: str
    high: str
    colour: str
    symbol: str


SHARES = (
    Share("sensitivity", "low", "high", BLUE, "circle"),
    Share("specificity", "its low", "its high", GREEN, "square"),
)


def plot_operating(rows: pd.DataFrame) -> go.Figure:
    """One source vendor's rows of ``clinic.operating``: a line a test vendor and rate."""
    figure = blank("share of test images")
    names = [f"on {escape(row['scored on'])},<br>{row['rate']}" for row in rows.to_dict("records")]
    for share in SHARES:
        figure.add_trace(
            go.Scatter(
                x=rows[share.name].tolist(),
                y=names,
                mode="markers",
                name=f"{share.name} reached",
                marker={"size": 10, "symbol": share.symbol, "color": share.colour},
                error_x=_bars(rows[share.name], rows[share.low], rows[share.high]),
                hovertemplate=f"{share.name} %{{x:.3f}}<extra></extra>",
            )
        )
    figure.add_vline(x=SPECIFICITY, line={"dash": "dot", "width": 1, "color": GREY})
    figure.update_layout(xaxis={"range": [0, 1.02]}, yaxis={"autorange": "reversed"})
    return figure


def plot_reliability(rows: pd.DataFrame) -> go.Figure:
    """One source vendor's rows of ``clinic.reliability``: observed against predicted, and images a bin below."""
    figure = blank("predicted probability of a tumour", "observed share")
    vendors = rows["scored on"].unique()
    rates = rows["rate"].unique()
    colours = {vendor: OTHERS[(place - 1) % len(OTHERS)] for place, vendor in enumerate(vendors)}
    colours[vendors[0]] = BLUE  # the vendor trained on
    for vendor, rate in product(vendors, rates):
        bins = rows[(rows["scored on"] == vendor) & (rows["rate"] == rate)]
        figure.add_trace(_observed(bins, vendor, rate, colours[vendor]))
        if rate != FULL_SAMPLING:
            figure.add_trace(_images(bins, vendor, colours[vendor]))
    ends = {"x": [0, 1], "y": [0, 1], "mode": "lines", "line": {"color": GREY, "width": 1, "dash": "dash"}}
    figure.add_trace(go.Scatter(**ends, name="calibrated", hoverinfo="skip"))
    figure.update_layout(
        xaxis={"range": [0, 1], "anchor": "y2"},
        yaxis={"range": [-0.02, 1.02], "domain": [0.3, 1]},
        yaxis2={"domain": [0, 0.2], "title": {"text": "images"}, "zeroline": False, "automargin": True, "nticks": 3},
    )
    return figure


def _observed(bins: pd.DataFrame, vendor: str, rate: str, colour: str) -> go.Scatter:
    """Observed against predicted; full sampling is dotted and without bars, so that the chosen rate is seen."""
    full = rate == FULL_SAMPLING
    return go.Scatter(
        x=bins["predicted"].round(4).tolist(),
        y=bins["observed"].round(4).tolist(),
        mode="lines+markers",
        name=f"{escape(vendor)}, {rate}",
        line={"color": colour, "width": 1.5, "dash": "dot" if full else "solid"},
        marker={"size": 8, "symbol": "circle-open" if full else "circle"},
        error_y=None if full else _bars(bins["observed"], bins["low"], bins["high"]),
        customdata=bins["images"].tolist(),
        hovertemplate="predicted %{x:.2f}, observed %{y:.2f}, %{customdata:.0f} images<extra></extra>",
    )


def _images(bins: pd.DataFrame, vendor: str, colour: str) -> go.Bar:
    """How many images each bin holds."""
    return go.Bar(
        x=((bins["from"] + bins["to"]) / 2).round(3).tolist(),
        y=bins["images"].round(1).tolist(),
        name=f"images, {escape(vendor)}",
        marker={"color": faded(colour, 0.6)},
        yaxis="y2",
        showlegend=False,
        hovertemplate="%{y:.0f} images<extra></extra>",
    )


def _bars(value: pd.Series, low: pd.Series, high: pd.Series) -> dict:
    above = (high - value).clip(lower=0)
    below = (value - low).clip(lower=0)
    return {
        "type": "data",
        "symmetric": False,
        "thickness": 1,
        "width": 3,
        "array": above.fillna(0).round(4).tolist(),
        "arrayminus": below.fillna(0).round(4).tolist(),
    }
