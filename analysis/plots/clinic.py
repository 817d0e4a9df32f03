"""What a clinician asks, drawn: sensitivity and specificity at a threshold set beforehand, ROC, and reliability."""

from collections.abc import Sequence
from itertools import cycle, product
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import AMBER, BLUE, FAINT, GREEN, GREY, ORANGE, OTHERS, SYMBOLS, blank, wrapped
from analysis.plots.rows import Marks, plot_rows
from analysis.results.at_threshold import RocCurve
from tune_ks.core.domains import is_source
from tune_ks.core.operating_point import SPECIFICITY

FULL_SAMPLING = "full sampling"  # the rate of rows that are not of the chosen one


class Share(NamedTuple):
    """One share of the test images, in the columns of ``clinic.operating``."""

    name: str
    low: str
    high: str
    colour: str
    symbol: str


SHARES = (
    Share("sensitivity", "low", "high", GREEN, "circle"),
    Share("specificity", "its low", "its high", GREY, "square"),
)


def plot_operating(rows: pd.DataFrame) -> go.Figure:
    """One source vendor's rows of ``clinic.operating``: a row a test vendor and rate."""
    names = [f"on {row['scored on']}, {row['rate']}" for row in rows.to_dict("records")]
    marks = []
    for share in SHARES:
        values, low, high = (rows[name].tolist() for name in (share.name, share.low, share.high))
        symbols = [share.symbol] * len(rows)
        marks.append(Marks(f"{share.name} reached", share.colour, range(len(rows)), symbols, values, low, high))
    figure = plot_rows(names, marks, "share of test images")
    figure.add_vline(x=SPECIFICITY, line={"dash": "dot", "width": 1, "color": GREY})
    return figure.update_layout(xaxis={"range": [0, 1.02]})


def plot_roc(curves: Sequence[RocCurve], reached: pd.DataFrame) -> go.Figure:
    """One vendor trained on and one scored on: a line a seed, and where the threshold set beforehand lies on it.

    ``reached``: the rows of ``clinic.operating`` of the same vendors; their mean points have intervals.
    """
    figure = blank("1 - specificity", "sensitivity")
    ends = {"x": [0, 1], "y": [0, 1], "mode": "lines", "line": {"color": GREY, "width": 1, "dash": "dash"}}
    figure.add_trace(go.Scatter(**ends, name="chance", hoverinfo="skip"))
    named = set()
    for curve in curves:
        figure.add_trace(_roc_line(curve, showlegend=curve.rate not in named))
        named.add(curve.rate)
    for row in reached.to_dict("records"):
        figure.add_trace(_roc_point(row))
    figure.update_layout(
        xaxis={"range": [-0.02, 1.02], "constrain": "domain"},
        yaxis={"range": [-0.02, 1.02], "scaleanchor": "x", "constrain": "domain"},
    )
    return figure


def _roc_line(curve: RocCurve, showlegend: bool) -> go.Scatter:
    full = curve.rate == FULL_SAMPLING
    return go.Scatter(
        x=curve.false_positive.round(4).tolist(),
        y=curve.true_positive.round(4).tolist(),
        mode="lines",
        name=f"{curve.rate}, a line a seed",
        legendgroup=curve.rate,
        showlegend=showlegend,
        line=_roc_style(curve, full),
        opacity=FAINT,
        hovertemplate=f"{curve.rate}, seed {curve.seed}: sensitivity %{{y:.3f}}, 1 - specificity %{{x:.3f}}"
        "<extra></extra>",
    )


def _roc_style(curve: RocCurve, full: bool) -> dict[str, Any]:
    """The colour of the domain; full sampling is amber and dotted, as in all figures."""
    if full:
        return {"color": AMBER, "width": 1.8, "dash": "dot"}
    return {"color": _domain_colour(curve.source, curve.vendor), "width": 1.3}


def _roc_point(row: dict) -> go.Scatter:
    """The mean of the seeds' points, each at its own threshold, with both intervals."""
    full = row["rate"] == FULL_SAMPLING
    one = pd.Series([row["sensitivity"]])
    beside = pd.Series([1 - row["specificity"]])
    colour = AMBER if full else _domain_colour(row["trained on"], row["scored on"])
    return go.Scatter(
        x=beside.round(4).tolist(),
        y=one.round(4).tolist(),
        mode="markers",
        name=f"{row['rate']}, at the threshold",
        marker={"size": 12, "symbol": "diamond-open" if full else "diamond", "color": colour, "line": {"width": 2}},
        error_x=_bars(beside, 1 - pd.Series([row["its high"]]), 1 - pd.Series([row["its low"]])),
        error_y=_bars(one, pd.Series([row["low"]]), pd.Series([row["high"]])),
        hovertemplate=f"{row['rate']}, mean of seeds at the threshold: sensitivity %{{y:.3f}}, 1 - specificity "
        "%{x:.3f}<extra></extra>",
    )


def _domain_colour(source: str, vendor: str) -> str:
    return BLUE if is_source(vendor, source) else ORANGE


def plot_reliability(rows: pd.DataFrame, finding: str) -> go.Figure:
    """One source vendor's rows of ``clinic.reliability``: observed against predicted, and where its bins end below.

    ``finding``: what an image of label 1 shows, in a word.
    """
    figure = blank(f"predicted probability of a {finding}", "observed share")
    vendors = rows["scored on"].unique()
    rates = rows["rate"].unique()
    colours = {vendor: OTHERS[(place - 1) % len(OTHERS)] for place, vendor in enumerate(vendors)}
    colours[vendors[0]] = BLUE  # the vendor trained on
    symbols = dict(zip(vendors, cycle(SYMBOLS)))
    binned: list[str] = []  # how many bins there are of how many images, in words, of each vendor
    for vendor, rate in product(vendors, rates):
        bins = rows[(rows["scored on"] == vendor) & (rows["rate"] == rate)]
        figure.add_trace(_observed(bins, vendor, rate, (colours[vendor], symbols[vendor]), finding))
        if rate != FULL_SAMPLING:
            figure.add_trace(_bin_ends(bins, len(binned), colours[vendor], finding))
            binned.append(f"{len(bins)} x {bins['images'].mean():.0f}")
    ends = {"x": [0, 1], "y": [0, 1], "mode": "lines", "line": {"color": GREY, "width": 1, "dash": "dash"}}
    figure.add_trace(go.Scatter(**ends, name="calibrated", hoverinfo="skip"))
    below = 0.06 + 0.05 * len(vendors)
    figure.update_layout(
        xaxis={"range": [-0.02, 1.02], "anchor": "y2"},
        yaxis={"range": [-0.02, 1.02], "domain": [below + 0.04, 1]},
        yaxis2={
            "domain": [0, below],
            "range": [len(binned) - 0.4, -0.6],
            "tickvals": list(range(len(binned))),
            "ticktext": binned,
            "zeroline": False,
            "automargin": True,
        },
    )
    return figure


def _observed(bins: pd.DataFrame, vendor: str, rate: str, style: tuple[str, str], finding: str) -> go.Scatter:
    """Observed against predicted; full sampling is dotted and without bars, so that the chosen rate is seen."""
    full = rate == FULL_SAMPLING
    colour, symbol = style
    return go.Scatter(
        x=bins["predicted"].round(4).tolist(),
        y=bins["observed"].round(4).tolist(),
        mode="lines+markers",
        name=wrapped(f"{vendor}, {rate}"),
        line={"color": colour, "width": 1.5, "dash": "dot" if full else "solid"},
        marker={"size": 8, "symbol": f"{symbol}-open" if full else symbol},
        error_y=None if full else _bars(bins["observed"], bins["low"], bins["high"]),
        customdata=bins[["images", "with tumour"]].round(1).to_numpy().tolist(),
        hovertemplate="predicted %{x:.2f}, observed %{y:.2f}: %{customdata[0]:.0f} images, %{customdata[1]:.0f} with a "
        f"{finding}<extra></extra>",
    )


def _bin_ends(bins: pd.DataFrame, place: int, colour: str, finding: str) -> go.Scatter:
    """Where each bin begins and ends; as all hold about as many images, short ones are where predictions crowd."""
    x, text = [], []
    for row in bins.to_dict("records"):
        said = f"{row['images']:.0f} images, {row['with tumour']:.0f} of them with a {finding}"
        x += [round(row["from"], 4), round(row["to"], 4), None]
        text += [said, said, ""]
    return go.Scatter(
        x=x,
        y=[place] * len(x),
        text=text,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"size": 9, "symbol": "line-ns", "line": {"width": 1.5, "color": colour}},
        yaxis="y2",
        showlegend=False,
        hovertemplate="%{x:.3f}: %{text}<extra></extra>",
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
