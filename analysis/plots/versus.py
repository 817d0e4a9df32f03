"""Mask families minus the low-pass at equal rate: a difference with its interval at every rate."""

import math
from html import escape
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import DOMAINS, GREY, SYMBOLS, add_entry, blank, interval_bars, rate_axis
from analysis.read.configurations import SAME_RATE
from analysis.results.versus_info import VersusInfo
from tune_ks.core.rate_words import rate_words

STEP = 1.035  # factor between points of one rate, so that their bars stand side by side
WIDEST = 1.6  # factor between the outermost of them: the next rate is twice as high
APART = 0.12  # between the two domains of a family, where families stand side by side


def plot_versus(info: VersusInfo) -> go.Figure:
    """A point a family, rate and domain; above 0 the family is better. Filled: it holds after Holm's correction.

    Where there is one rate, the families stand side by side in place of the rates. The legend has one entry a domain
    (a colour, which hides it) and one a family (a symbol); dotted lines are the means over rates of learned families.
    """
    figure = blank("", f"minus low-pass, test {info.measure.title}")
    names = list(dict.fromkeys(info.rows["family"]))
    symbols = dict(zip(names, cycle(SYMBOLS)))
    rows = info.rows.assign(x=_places(info.rows, names))
    for domain, (word, colour) in DOMAINS.items():
        of_domain = rows[rows["domain"] == domain]
        if of_domain.empty:
            continue
        add_entry(figure, word, mode="lines", line={"color": colour, "width": 6}, legendgroup=word)
        for name in names:
            _add_points(figure, of_domain[of_domain["family"] == name], symbols[name], domain)
        _add_means(figure, info, domain)
    for name in [] if _is_of_one_rate(rows) else names:
        add_entry(figure, escape(name), mode="markers", marker={"symbol": symbols[name], "size": 8, "color": GREY})
    if info.rows["low"].notna().any():
        marker = {"symbol": "circle-open", "size": 8, "color": GREY}
        add_entry(figure, "open: not shown to differ, after Holm", mode="markers", marker=marker)
    if len(info.means):
        line = {"color": GREY, "width": 1, "dash": "dot"}
        add_entry(figure, "mean over rates", mode="lines", line=line)
    if _is_of_one_rate(rows):
        figure.update_layout(xaxis=_axis_of_families(names, rows["rate"].iloc[0]))
    else:
        rate_axis(figure, rows["rate"], info.rate_units)
        figure.update_layout(xaxis={"range": [math.log10(rows["x"].min() / 1.1), math.log10(rows["x"].max() * 1.1)]})
    figure.add_hline(y=0, line={"color": GREY, "width": 1.5})
    figure.update_layout(yaxis={"tickformat": "+.2~f"})
    return figure


def _is_of_one_rate(rows: pd.DataFrame) -> bool:
    return bool(rows["rate"].max() <= rows["rate"].min() * (1 + SAME_RATE))


def _places(rows: pd.DataFrame, names: list[str]) -> list[float]:
    """Where each point stands: near its rate, or, of one rate, near the number of its family."""
    domains = list(DOMAINS)
    number = len(names) * len(domains)
    step = min(STEP, WIDEST ** (1 / number))
    one_rate = _is_of_one_rate(rows)
    places = []
    for row in rows.itertuples():
        family = names.index(row.family)
        side = domains.index(row.domain)
        if one_rate:
            places.append(family + (side - 0.5) * 2 * APART)
        else:
            places.append(row.rate * step ** (side * len(names) + family - (number - 1) / 2))
    return places


def _axis_of_families(names: list[str], rate: float) -> dict:
    """An axis with the names of families."""
    return {
        "title": {"text": f"mask, at realised rate {rate_words(rate)}", "standoff": 8},
        "tickvals": list(range(len(names))),
        "ticktext": [escape(name).replace("_", " ") for name in names],
        "range": [-0.6, len(names) - 0.4],
        "tickangle": -45 if len(names) > 2 else 0,
        "showgrid": False,
    }


def _add_points(figure: go.Figure, rows: pd.DataFrame, symbol: str, domain: str) -> None:
    """The differences of one family in one domain, with their intervals where there are any."""
    word, colour = DOMAINS[domain]
    bars = None
    if rows["low"].notna().any():
        bars = interval_bars(rows["difference"], rows["low"], rows["high"], thickness=1.5, width=3)
    figure.add_trace(
        go.Scatter(
            x=rows["x"].tolist(),
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
            meta={"rates": rows["rate"].tolist()},
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
    rates = f"{escape(row['family'])} at {rate_words(row['rate'])}, low-pass at {rate_words(row['low_pass_rate'])}"
    return f"{rates}<br>{interval}, {row['seeds']} seed(s) a side"
