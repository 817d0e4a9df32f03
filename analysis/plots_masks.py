"""Masks over k-space lines: learned probability and exported mask, a row a trial."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.gallery import Picture
from analysis.plots import GREY


def plot_line_masks(pictures: list[Picture]) -> go.Figure | None:
    """Pictures of (W,) masks -> two heat maps over the line's offset from DC; None when no line mask is there.

    Left, the inclusion probability (of a fixed family: its mask); right, the binary mask that was scored.
    """
    lines = [p for p in pictures if p.mask is not None and p.mask.ndim == 1 and not p.mask.all()]
    width = max((len(p.mask) for p in lines), default=0)
    lines = [p for p in lines if len(p.mask) == width][::-1]
    if not lines:
        return None
    names = [f"{p.family} {p.rate:.3f}{' (chosen)' if p.chosen else ''}" for p in lines]
    masks = [p.mask.astype(float) for p in lines]
    probabilities = [
        p.probability if p.probability is not None and p.probability.shape == p.mask.shape else m
        for p, m in zip(lines, masks)
    ]
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        subplot_titles=["inclusion probability", "exported mask"],
        horizontal_spacing=0.03,
    )
    offset = np.arange(width) - width // 2
    for column, values in enumerate((probabilities, masks), start=1):
        figure.add_trace(
            go.Heatmap(
                x=offset,
                y=names,
                z=np.stack(values),
                zmin=0,
                zmax=1,
                colorscale="Viridis",
                showscale=column == 2,
                ygap=2,
                hovertemplate="%{y}<br>line %{x}: %{z:.2f}<extra></extra>",
            ),
            row=1,
            col=column,
        )
        figure.update_xaxes(title="k-space line, from DC", row=1, col=column)
    figure.update_layout(
        template="plotly_white",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": GREY},
        margin={"l": 150, "r": 20, "t": 40, "b": 60},
        height=160 + 26 * len(lines),
    )
    return figure
