"""A metric on images of other vendors or cohorts: the chosen rate beside what it is compared with, a row each."""

import pandas as pd
import plotly.graph_objects as go

from analysis.plots.common import AMBER, BLUE, GREEN, TOP
from analysis.plots.rows import Marks, plot_rows
from analysis.read.configurations import FULL

CHOSEN, LOW_PASS = "chosen rate", "low-pass at the same rate"
ENTRIES = {CHOSEN: (BLUE, "circle"), LOW_PASS: (GREEN, "square-open"), FULL: (AMBER, "diamond-open")}


def plot_elsewhere(rows: pd.DataFrame, title: str) -> go.Figure:
    """``rows``: where, sampling (of ENTRIES), value, low, high; the ends are NaN without an interval."""
    names = rows["where"].unique().tolist()
    marks = []
    for sampling, (colour, symbol) in ENTRIES.items():
        of_sampling = rows[rows["sampling"] == sampling]
        values, low, high = (of_sampling[name].tolist() for name in ("value", "low", "high"))
        places = [names.index(name) for name in of_sampling["where"]]
        marks.append(Marks(sampling, colour, places, [symbol] * len(places), values, low, high))
    figure = plot_rows(names, marks, title)
    figure.update_xaxes(autorangeoptions={"clipmax": TOP})
    return figure
