"""The pointing game of one source vendor's chosen rate: a row a vendor scored on, beside what needs no training."""

import math

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import AMBER, BLUE, GREEN, GREY
from analysis.plots.rows import Marks, plot_rows

ENTRIES = (  # a column of pointing_table(), what it is called, its colour and its symbol
    ("hits", "chosen rate", BLUE, "circle"),
    ("random", "random weights", GREY, "square-open"),
    ("fixed", "best fixed position", AMBER, "diamond-open"),
    ("area", "random point", GREEN, "triangle-up-open"),
)


def plot_pointing(rows: pd.DataFrame) -> go.Figure:
    """``rows`` of pointing.pointing_table(), of one configuration and set of images."""
    names = [f"on {row['scored_on']}, {row['images']} images" for row in rows.to_dict("records")]
    marks = []
    for column, word, colour, symbol in ENTRIES:
        no_interval = pd.Series(math.nan, index=rows.index)
        ends = [rows.get(f"{column}_{end}", no_interval).tolist() for end in ("low", "high")]
        marks.append(Marks(word, colour, range(len(rows)), [symbol] * len(rows), rows[column].tolist(), *ends))
    figure = plot_rows(names, marks, "share of images with a hit")
    return figure.update_layout(xaxis={"range": [-0.02, 1.02]})
