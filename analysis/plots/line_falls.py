"""The fall of the metric without each line of k-space, drawn under the mask, on the same axis of lines."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.plots.common import DOMAINS, FAINT, blank, faded
from analysis.results.line_falls import Falls, place_words
from analysis.statistics.measures import MEASURES

MASK_SHARE = 0.12  # of the figure's height


def plot_line_falls(falls: Falls) -> go.Figure:
    """Above, which lines the mask keeps (the share of seeds); below, a bar a line and domain with its interval."""
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[MASK_SHARE, 1 - MASK_SHARE], vertical_spacing=0.03)
    figure.update_layout(blank().layout)
    figure.add_trace(_mask(falls), row=1, col=1)
    for domain, (words, colour) in DOMAINS.items():
        if falls.table[domain].notna().any():
            figure.add_trace(_bars(falls, domain, words, colour), row=2, col=1)
    figure.update_layout(barmode="group", bargap=0.15, bargroupgap=0.0, legend_y=1.04)
    unit = "ring, whole distance from DC" if falls.points else "k-space line, from DC"
    figure.update_xaxes(title_text=unit, row=2, col=1)
    figure.update_xaxes(zeroline=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, fixedrange=True, title_text="mask", row=1, col=1)
    figure.update_yaxes(title_text=f"fall of the {MEASURES[falls.metric].title}", zeroline=True, row=2, col=1)
    return figure


def _mask(falls: Falls) -> go.Heatmap:
    rows = falls.mask
    return go.Heatmap(
        x=_middle(rows).tolist(),
        y=[""],
        z=[rows["share_kept"].round(3).tolist()],
        zmin=0,
        zmax=1,
        colorscale="Viridis",
        showscale=False,
        customdata=[_places(falls, rows)],
        hovertemplate="%{customdata}<br>share kept %{z:.2f}<extra></extra>",
    )


def _bars(falls: Falls, domain: str, words: str, colour: str) -> go.Bar:
    rows = falls.table
    return go.Bar(
        x=_middle(rows).tolist(),
        y=rows[domain],
        name=words,
        marker={"color": colour},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": rows[f"{domain}_high"] - rows[domain],
            "arrayminus": rows[domain] - rows[f"{domain}_low"],
            "thickness": 1,
            "width": 0,
            "color": faded(colour, FAINT),
        },
        customdata=_places(falls, rows),
        hovertemplate=f"%{{customdata}}<br>{words}: %{{y:.3f}}<extra></extra>",
    )


def _middle(rows: pd.DataFrame) -> pd.Series:
    """Where a group stands on the axis."""
    return (rows["first"] + rows["last"]) / 2


def _places(falls: Falls, rows: pd.DataFrame) -> list[str]:
    return [place_words(row.first, row.last, falls.points) for row in rows.itertuples()]
