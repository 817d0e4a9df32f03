"""The transfer loss on one vendor's images against the rate: a line a vendor trained on and mask."""

from html import escape
from itertools import cycle
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import AMBER, DASHES, GREY, OTHERS, SYMBOLS, blank, interval_bars, rate_axis, wrapped
from analysis.read.configurations import FULL
from tune_ks.core.rate_words import rate_words

FILLINGS = ("", "-open", "-dot")  # of the symbols of the other vendors
STEP = 1.02  # factor between the points of one rate, so that their bars stand side by side


def plot_transfer(rows: pd.DataFrame, title: str) -> go.Figure:
    """``rows`` of transfer.transfer_loss() that were tested on one vendor; above 0 the training elsewhere is worse."""
    figure = blank("", f"transfer loss, test {title}")
    rows = rows.assign(settings=rows["settings"].fillna(""))  # beside others, a mask without settings has NaN
    vendors = dict(zip(rows["trained on"].unique(), cycle(zip(OTHERS, FILLINGS))))
    below = rows[rows["mask"] != FULL]
    styles = dict(zip(dict.fromkeys(map(_mask, below.to_dict("records"))), cycle(zip(DASHES, SYMBOLS))))
    styles |= {_mask(row): ("solid", "diamond") for row in rows[rows["mask"] == FULL].to_dict("records")}
    lines: dict[tuple[str, str], list[dict]] = {}
    for row in rows.to_dict("records"):
        lines.setdefault((row["trained on"], _mask(row)), []).append(row)
    for number, ((vendor, mask), of_line) in enumerate(lines.items()):
        aside = STEP ** (number - (len(lines) - 1) / 2)
        of_vendor, filling = vendors[vendor]
        colour = AMBER if of_line[0]["mask"] == FULL else of_vendor
        dash, symbol = styles[mask]
        line = {"color": colour, "dash": dash, "width": 1.5}
        marker = {"size": 8, "symbol": symbol + filling, "color": colour}
        name = f"trained on {vendor}, {mask}"
        _add_line(figure, pd.DataFrame(of_line), name, aside, line=line, marker=marker)
    rate_axis(figure, rows["rate"])
    figure.add_hline(y=0, line={"color": GREY, "width": 1.5})
    figure.update_layout(yaxis={"tickformat": "+.2~f"})
    return figure


def _mask(row: dict) -> str:
    """The mask of a row, with its settings where it has any."""
    return ", ".join(filter(None, [row["mask"], row["settings"]]))


def _add_line(figure: go.Figure, rows: pd.DataFrame, name: str, aside: float, **look: Any) -> None:
    figure.add_trace(
        go.Scatter(
            x=(rows["rate"] * aside).tolist(),
            meta={"rates": rows["rate"].tolist()},
            y=rows["loss"].tolist(),
            mode="lines+markers",
            name=wrapped(name),
            **look,
            error_y=interval_bars(rows["loss"], rows["low"], rows["high"], thickness=1, width=3),
            text=[rate_words(rate) for rate in rows["rate"]],
            hovertemplate=f"{escape(name)}<br>rate %{{text}}: loss %{{y:+.3f}}<extra></extra>",
        )
    )
