"""Mask families minus the low-pass at equal rate: a difference with its interval at every rate."""

from html import escape
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import DOMAINS, GREY, SYMBOLS, blank, rate_axis
from analysis.results.versus_info import VersusInfo

STEP = 1.035  # between points of one rate, so that their bars stand side by side


def plot_versus(info: VersusInfo) -> go.Figure:
    """A point a family, rate and domain; above 0 the family is better. Filled: it holds after Holm's correction.

    The legend has one entry a domain (a colour, which hides it) and one a family (a symbol); dotted lines are the
    means over rates of learned families.
    """
    figure = blank("", f"minus low-pass, test {info.measure.title}")
    names = list(dict.fromkeys(info.rows["family"]))
    symbols = dict(zip(names, cycle(SYMBOLS)))
    places = len(names) * len(DOMAINS)
    for side, (domain, (word, colour)) in enumerate(DOMAINS.items()):
        of_domain = info.rows[info.rows["domain"] == domain]
        if of_domain.empty:
            continue
        _add_entry(figure, word, mode="lines", line={"color": colour, "width": 6}, legendgroup=word)
        for number, name in enumerate(names):
            aside = STEP ** (side * len(names) + number - (places - 1) / 2)
            _add_points(figure, of_domain[of_domain["family"] == name], aside, symbols[name], domain)
        _add_means(figure, info, domain)
    for name in names:
        _add_entry(figure, escape(name), mode="markers", marker={"symbol": symbols[name], "size": 8, "color": GREY})
    if info.rows["low"].notna().any():
        marker = {"symbol": "circle-open", "size": 8, "color": GREY}
        _add_entry(figure, "open: not shown to differ, after Holm", mode="markers", marker=marker)
    if len(info.means):
        line = {"color": GREY, "width": 1, "dash": "dot"}
        _add_entry(figure, "mean over rates", mode="lines", line=line)
    rate_axis(figure, info.rows["rate"], info.rate_units)
    figure.add_hline(y=0, line={"color": GREY, "width": 1.5})
    figure.update_layout(yaxis={"tickformat": "+.2~f"})
    return figure


def _add_entry(figure: go.Figure, name: str, **style) -> None:
    """An entry of the legend, drawn nowhere."""
    figure.add_trace(go.Scatter(x=[None], y=[None], name=name, hoverinfo="skip", **style))


def _add_points(figure: go.Figure, rows: pd.DataFrame, aside: float, symbol: str, domain: str) -> None:
    """The differences of one family in one domain, with their intervals where there are any."""
    word, colour = DOMAINS[domain]
    bars = None
    if rows["low"].notna().any():
        bars = {
            "type": "data",
            "symmetric": False,
            "array": (rows["high"] - rows["difference"]).tolist(),
            "arrayminus": (rows["difference"] - rows["low"]).tolist(),
            "thickness": 1.5,
            "width": 3,
        }
    figure.add_trace(
        go.Scatter(
            x=(rows["rate"] * aside).tolist(),
            y=rows["difference"].tolist(),
            mode="markers",
            name=word,
            marker={
                "size": 9,
                "color": colour,
                "symbol": [symbol if holds else f"{symbol}-open" for holds in rows["holds"]],
                "line": {"width": 2},
            },
            error_y=bars,
            text=[_about(row) for row in rows.to_dict("records")],
            hovertemplate=f"%{{text}}<br>{word} %{{y:+.3f}}<extra></extra>",
            legendgroup=word,
            showlegend=False,
        )
    )


def _add_means(figure: go.Figure, info: VersusInfo, domain: str) -> None:
    """A dotted line from the lowest to the highest rate, at the mean of the differences."""
    word, colour = DOMAINS[domain]
    for row in info.means[info.means["domain"] == domain].itertuples():
        words = f"{escape(row.family)}, mean over {row.rates} rates, {word}: {row.difference:+.3f}"
        figure.add_trace(
            go.Scatter(
                x=[row.lowest, row.highest],
                y=[row.difference] * 2,
                mode="lines",
                name=f"mean, {word}",
                line={"color": colour, "width": 1.5, "dash": "dot"},
                hovertemplate=f"{words}<extra></extra>",
                legendgroup=word,
                showlegend=False,
            )
        )


def _about(row: dict) -> str:
    interval = "no interval" if pd.isna(row["low"]) else f"90 % interval {row['low']:+.3f} to {row['high']:+.3f}"
    rates = f"{escape(row['family'])} at {row['rate']:.3f}, low-pass at {row['low_pass_rate']:.3f}"
    return f"{rates}<br>{interval}, {row['seeds']} seed(s) a side"
