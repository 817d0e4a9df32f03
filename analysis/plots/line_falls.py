"""The fall of the metric without each line of k-space, drawn under the mask, on the same axis of lines."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.plots.common import DOMAINS, FAINT, blank, faded, interval_bars
from analysis.results.line_falls import Falls, place_words
from analysis.statistics.measures import MEASURES

MASK_SHARE = 0.1  # of the figure's height


def plot_line_falls(falls: Falls) -> go.Figure:
    """Above, which lines the mask keeps (the share of seeds); below, a panel a domain with a bar a line.

    Side by side in one panel, the bars of 64 lines are too narrow to be seen on a phone.
    """
    domains = [domain for domain in DOMAINS if falls.table[domain].notna().any()]
    share = (1 - MASK_SHARE) / max(len(domains), 1)
    heights = [MASK_SHARE, *[share] * len(domains)]
    figure = make_subplots(len(heights), 1, shared_xaxes=True, row_heights=heights, vertical_spacing=0.04)
    figure.update_layout(blank(legend=False).layout)
    figure.add_trace(_mask(falls), row=1, col=1)
    for row, domain in enumerate(domains, start=2):
        words, colour = DOMAINS[domain]
        figure.add_trace(_bars(falls, domain, words, colour), row=row, col=1)
        figure.update_yaxes(
            title_text=f"fall of {MEASURES[falls.metric].title}, {words}", zeroline=True, row=row, col=1
        )
    figure.update_layout(bargap=0.15)
    unit = "ring, whole distance from DC" if falls.points else "k-space line, from DC"
    figure.update_xaxes(zeroline=False, showgrid=False)
    figure.update_xaxes(title_text=unit, row=len(heights), col=1)
    figure.update_yaxes(matches="y2", row=3, col=1)  # a fall is as high in both domains
    figure.update_yaxes(showticklabels=False, fixedrange=True, title_text="mask", row=1, col=1)
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
        error_y=interval_bars(
            rows[domain],
            rows[f"{domain}_low"],
            rows[f"{domain}_high"],
            thickness=1,
            width=0,
            color=faded(colour, FAINT),
        ),
        customdata=_places(falls, rows),
        hovertemplate=f"%{{customdata}}<br>{words}: %{{y:.3f}}<extra></extra>",
    )


def _middle(rows: pd.DataFrame) -> pd.Series:
    """Where a group stands on the axis."""
    return (rows["first"] + rows["last"]) / 2


def _places(falls: Falls, rows: pd.DataFrame) -> list[str]:
    return [place_words(row.first, row.last, falls.points) for row in rows.itertuples()]
