"""Masks: learned probability and exported mask over k-space lines, and the profile from DC against low-pass."""

from html import escape

import numpy as np
import plotly.graph_objects as go

from analysis.plots.common import BLUE, GREY, ORANGE, blank
from analysis.plots.gallery import Picture
from analysis.plots.profiles import Profile

ROW = 24  # pixels a trial


def plot_line_masks(pictures: list[Picture], what: str) -> go.Figure | None:
    """Pictures of (W,) masks -> a heat map over the line's offset from DC; None when no line mask is there.

    ``what``: probability, the inclusion probability (of a fixed family: its mask), or mask, the binary one scored.
    """
    lines = line_masks(pictures)[::-1]
    if not lines:
        return None
    width = len(lines[0].mask)
    values = [_values(p, what) for p in lines]
    figure = blank("k-space line, from DC", "", legend=False)
    figure.add_trace(
        go.Heatmap(
            x=np.arange(width) - width // 2,
            y=[f"{escape(p.family)} {p.rate:.3f}{' (chosen)' if p.chosen else ''}" for p in lines],
            z=np.stack(values).round(3),
            zmin=0,
            zmax=1,
            colorscale="Viridis",
            showscale=what != "mask",
            colorbar={"thickness": 10, "title": {"text": "prob.", "side": "top"}},
            ygap=2,
            hovertemplate="%{y}<br>line %{x}: %{z:.2f}<extra></extra>",
        )
    )
    figure.update_layout(yaxis={"type": "category"}, height=110 + ROW * len(lines))
    return figure


def _values(picture: Picture, what: str) -> np.ndarray:
    known = picture.probability is not None and picture.probability.shape == picture.mask.shape
    return picture.probability if what == "probability" and known else picture.mask.astype(float)


def line_masks(pictures: list[Picture]) -> list[Picture]:
    """The pictures that have a mask over lines of the commonest width, full sampling left out."""
    lines = [p for p in pictures if p.mask is not None and p.mask.ndim == 1 and not p.mask.all()]
    width = max((len(p.mask) for p in lines), default=0)
    return [p for p in lines if len(p.mask) == width]


def plot_profile(profile: Profile) -> go.Figure:
    """Share kept against the distance from DC: probability, exported mask, low-pass at the same rate."""
    figure = blank("distance from DC", "share kept")
    for name, values, colour, dash in (
        ("learned probability", profile.probability, BLUE, "solid"),
        ("exported mask", profile.mask, ORANGE, "solid"),
        ("low-pass, same rate", profile.lowpass, GREY, "dash"),
    ):
        line = {"color": colour, "dash": dash, "shape": "hvh" if name != "learned probability" else "linear"}
        hover = f"{name}: %{{y:.2f}} at %{{x}}<extra></extra>"
        figure.add_trace(
            go.Scatter(
                x=profile.distance.tolist(), y=values.tolist(), mode="lines", name=name, line=line, hovertemplate=hover
            )
        )
    figure.update_layout(yaxis={"range": [-0.03, 1.05]})
    return figure
