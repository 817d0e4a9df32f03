"""What all figures share: colours, layout, words on hover, and how a figure becomes part of a page."""

import math
import re
import textwrap
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.offline import get_plotlyjs

from analysis.results.rate_units import RateUnit
from tune_ks.core.rate_words import rate_tick, rate_words

# Seen on white and on black: at least 3 : 1 against every ground of the page (tests/analysis/report/test_contrast.py).
# Words are never drawn in them: they have the page's ink.
BLUE, ORANGE, GREEN, GREY = "#2f7fd1", "#d25a22", "#26936a", "#828892"
AMBER = "#b28207"  # of full sampling
MARKS = (BLUE, ORANGE, GREEN, GREY, AMBER)
FAINT = 0.85  # opacity of what stands behind; less of BLUE or ORANGE is not seen
DOMAINS = {"in_domain": ("in-domain", BLUE), "cross_domain": ("cross-domain", ORANGE)}
OTHERS = (ORANGE, GREEN, GREY)  # of several vendors that are cross-domain
FILLING = {"in_domain": "", "cross_domain": "-open"}  # of symbols, for a reader who does not see the colours
TOP = 1.05  # beyond it no axis of a metric goes, as none is above 1
RATE_TITLE = "realised rate (share of k-space, 1 / R)"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "triangle-up", "x", "pentagon", "hexagon")
LEGEND_LINE = 44  # letters
SPLIT_WORDS = {"val": "validation", "test": "test"}
# plotly writes < > / as JSON escapes; its texts may also hold them as they are
FOREIGN_TAG = re.compile(r"(?:<|\\u003c)(?!(?:/|\\u002f)?(?:br|b|i|sub|sup|extra)(?:>|\\u003e))", re.IGNORECASE)
# From the lowest rate to 1: the hues of Viridis without its darkest and lightest, which vanish on one of the grounds.
SCALE = ("#7d5fd8", "#2f7fd1", "#128a90", "#3f9146", "#a88505")
SHADES = sample_colorscale(list(SCALE), [step / 64 for step in range(65)])


def plotly_js() -> str:
    """plotly.js itself, to be embedded once in a page."""
    return get_plotlyjs()


def to_json(figure: go.Figure) -> str:
    """A figure as the JSON that the page's script draws in the reader's colours.

    plotly.js draws a part of HTML in its texts, links included. Only the tags of this program stay: the name of a mask
    that holds another tag is shown as it is written.
    """
    return FOREIGN_TAG.sub("&lt;", str(figure.to_json()))


def wrapped(name: str) -> str:
    """A name for a legend, in lines that also a phone has room for."""
    return "<br>".join(escape(line) for line in textwrap.wrap(name, LEGEND_LINE)) or name


def blank(x: str = "", y: str = "", legend: bool = True) -> go.Figure:
    """An empty figure: the legend stands above the axes, so that it covers neither titles nor points."""
    layout: dict[str, Any] = {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": GREY, "size": 12, "family": "system-ui, sans-serif"},
        "margin": {"l": 58, "r": 14, "t": 16, "b": 48},
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 11}},
        "hovermode": "closest",
        "dragmode": False,  # a finger that scrolls the page must not zoom
    }
    for axis, title in (("xaxis", x), ("yaxis", y)):
        layout[axis] = {"title": {"text": title, "standoff": 8}, "zeroline": False, "automargin": True}
    return go.Figure(layout=layout)  # at once: each update of a figure takes as long as its start


def rate_axis(figure: go.Figure, rates: pd.Series, units: Sequence[RateUnit] = ()) -> None:
    """A logarithmic axis of the realised rate, with a little room at its ends.

    With ``units`` buttons below the axis change its ticks and title to those of another unit; no point moves.
    """
    ticks = rate_ticks(rates)
    low = math.log10(rates.min() * 0.88) if len(rates) else -1
    figure.update_layout(
        xaxis={
            "title": {"text": RATE_TITLE, "standoff": 8},
            "type": "log",
            "range": [low, math.log10(1.12)],
            "tickvals": ticks,
            "ticktext": [rate_tick(tick) for tick in ticks],
        }
    )
    if units and len(rates):
        _add_switch(figure, ticks, [(unit, *unit.ticks(rates.min())) for unit in units])


def _add_switch(figure: go.Figure, ticks: list[float], units: list[tuple[RateUnit, list[float], list[str]]]) -> None:
    """A button for the rate, and one for each unit with its ticks: dark on light, which a dark page inverts."""
    buttons = [_button("rate", RATE_TITLE, ticks, [rate_tick(tick) for tick in ticks])]
    buttons += [_button(unit.button, unit.title, places, texts) for unit, places, texts in units]
    menu = {
        "type": "buttons",
        "direction": "right",
        "buttons": buttons,
        "showactive": True,
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 46, "l": 0, "b": 0, "r": 0},
        "bgcolor": "#e6ebf1",
        "bordercolor": GREY,
        "font": {"color": "#1c2430", "size": 11},
    }
    figure.update_layout(updatemenus=[menu], margin={"b": 92})


def _button(label: str, title: str, places: list[float], texts: list[str]) -> dict[str, Any]:
    change = {"xaxis.title.text": title, "xaxis.tickvals": places, "xaxis.ticktext": texts}
    return {"label": label, "method": "relayout", "args": [change]}


def rate_ticks(rates: pd.Series) -> list[float]:
    """Powers of two from the smallest rate up to 1."""
    low = math.floor(math.log2(rates.min())) if len(rates) else -1
    return [2.0**power for power in range(low, 1)]


def rate_colours(rates: pd.Series, lowest: float) -> list[str]:
    """Rates -> colours on a log scale from ``lowest`` (log2 of a rate) to 1."""
    return [_colour(1 - math.log2(rate) / min(lowest, -1)) for rate in rates]


def rate_bar(figure: go.Figure, ticks: list[float]) -> None:
    """The colour bar of log2 rate, on a trace of its own: plotly.js warns about numbers as legend colours."""
    lowest = min(math.log2(ticks[0]), -1)
    bar = {
        "title": {"text": "rate", "side": "top"},
        "thickness": 10,
        "tickvals": [math.log2(rate) for rate in ticks],
        "ticktext": [rate_tick(rate) for rate in ticks],
    }
    scale = [[step / 8, _colour(step / 8)] for step in range(9)]
    marker = {"color": [lowest], "cmin": lowest, "cmax": 0, "colorscale": scale, "colorbar": bar, "showscale": True}
    figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=marker, showlegend=False, hoverinfo="skip"))


def band(
    figure: go.Figure, x: list[float], low: list[float], high: list[float], colour: str, name: str, **style: Any
) -> None:
    """A shaded region between two lines."""
    figure.add_trace(
        go.Scatter(
            x=x + x[::-1],
            y=high + low[::-1],
            fill="toself",
            fillcolor=faded(colour, 0.16),
            line={"width": 0},
            mode="lines",
            name=name,
            hoverinfo="skip",
            **style,
        )
    )


def faded(colour: str, opacity: float) -> str:
    """#rrggbb at an opacity."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def error_bars(table: pd.DataFrame, name: str) -> dict:
    """The patient-clustered interval where there is one."""
    if f"{name}_low" not in table or table[f"{name}_low"].isna().all():
        return {"visible": False, "array": []}
    return {
        "type": "data",
        "symmetric": False,
        "array": (table[f"{name}_high"] - table[name]).clip(lower=0),
        "arrayminus": (table[name] - table[f"{name}_low"]).clip(lower=0),
        "thickness": 1,
        "width": 2,
    }


def add_entry(figure: go.Figure, name: str, mode: str, **style: Any) -> None:
    """An entry of the legend, drawn nowhere."""
    figure.add_trace(go.Scatter(x=[None], y=[None], mode=mode, name=name, hoverinfo="skip", **style))


def interval_bars(values: Any, low: Any, high: Any, **look: Any) -> dict:
    """Bars of plotly from the ``low`` to the ``high`` end around each of the values; none where an end is NaN."""
    middle = np.asarray(values, float)
    above = np.asarray(high, float) - middle
    below = middle - np.asarray(low, float)
    return {"type": "data", "symmetric": False, "array": above.tolist(), "arrayminus": below.tolist(), **look}


def about_trials(trials: pd.DataFrame) -> list[str]:
    """The text of a trial's point: rate, temperature, seed, key."""
    texts = []
    for row in trials[["temperature", "mask", "realised_rate", "sampling_rate", "seed", "key"]].itertuples():
        temperature = "no temperature" if pd.isna(row.temperature) else f"temperature {row.temperature:g}"
        texts.append(f"{_rates(row.mask, row)}<br>{temperature}, seed {row.seed}, key {row.key}")
    return texts


def about_configurations(table: pd.DataFrame) -> list[str]:
    """The text of a configuration's point: rate, temperature, number of seeds."""
    texts = []
    for row in table[["temperature", "family", "realised_rate", "sampling_rate", "seeds"]].itertuples():
        temperature = "" if pd.isna(row.temperature) else f", temperature {row.temperature:g}"
        texts.append(f"{_rates(row.family, row)}{temperature}<br>mean of {row.seeds} seed(s)")
    return texts


def _rates(family: str, row: Any) -> str:
    return f"{escape(family)}, realised rate {rate_words(row.realised_rate)}, nominal {rate_tick(row.sampling_rate)}"


def _colour(share: float) -> str:
    return SHADES[round((len(SHADES) - 1) * min(max(share, 0.0), 1.0))]
