"""Masks: learned probability and exported mask over k-space lines, and how far from DC a mask reaches."""

from html import escape
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from analysis.plots.common import GREEN, GREY, blank
from analysis.results.gallery import Exhibit, fits, leaves_out
from tune_ks.core.rate_words import rate_tick

ROW_HEIGHT = 24  # pixels of a trial's row
FRAME = 110  # pixels around the rows: axis, ticks, margins


class Profile(NamedTuple):
    """Shares in [0, 1] at each whole distance from DC, 0 to N // 2."""

    distance: np.ndarray  # (D,)
    probability: np.ndarray  # mean inclusion probability there; of a fixed family, its mask
    mask: np.ndarray  # share of the exported mask there
    lowpass: np.ndarray  # share that keeping the nearest to DC would leave, with the same budget


class LineMask(NamedTuple):
    """A trial whose mask is one over lines."""

    exhibit: Exhibit
    mask: np.ndarray  # (W,) bool


def profile(mask: np.ndarray, probability: np.ndarray | None = None) -> Profile:
    """(W,) or (H, W) binary mask with DC at the centre N // 2 -> its profile; columns of lines, discs of points."""
    offsets = [np.arange(size) - size // 2 for size in mask.shape]
    squares = [axis.astype(float) ** 2 for axis in np.meshgrid(*offsets, indexing="ij")]
    radius = np.sqrt(sum(squares))
    distance = np.floor(radius + 0.5).astype(int).clip(max=min(mask.shape) // 2)
    nearest = np.zeros(mask.size)
    nearest[np.argsort(radius.ravel(), kind="stable")[: int(mask.sum())]] = 1
    counts = np.bincount(distance.ravel())  # coefficients at each distance

    def share(values: np.ndarray) -> np.ndarray:
        return np.bincount(distance.ravel(), weights=values.ravel().astype(float)) / counts

    return Profile(
        distance=np.arange(len(counts)),
        probability=share(probability if fits(probability, mask) else mask),
        mask=share(mask),
        lowpass=share(nearest.reshape(mask.shape)),
    )


def plot_line_masks(exhibits: list[Exhibit], kind: str) -> go.Figure | None:
    """Trials with (W,) masks -> a heat map over the line's offset from DC; None where there is no line mask.

    ``kind``: probability, the inclusion probability (of a fixed family: its mask), or mask, the binary one scored.
    """
    lines = line_masks(exhibits)[::-1]
    if not lines:
        return None
    width = len(lines[0].mask)
    values = [_values(line, kind) for line in lines]
    names = []
    for exhibit, _ in lines:
        names.append(f"{escape(exhibit.family)} {rate_tick(exhibit.rate)}{' (chosen)' if exhibit.chosen else ''}")
    figure = blank("k-space line, from DC", "", legend=False)
    figure.add_trace(
        go.Heatmap(
            x=np.arange(width) - width // 2,
            y=names,
            z=np.stack(values).round(3),
            zmin=0,
            zmax=1,
            colorscale="Viridis",
            showscale=kind != "mask",
            colorbar={"thickness": 10, "title": {"text": "prob.", "side": "top"}},
            ygap=2,
            hovertemplate="%{y}<br>line %{x}: %{z:.2f}<extra></extra>",
        )
    )
    figure.update_layout(yaxis={"type": "category"}, height=FRAME + ROW_HEIGHT * len(lines))
    return figure


def _values(line: LineMask, kind: str) -> np.ndarray:
    probability = line.exhibit.probability
    return probability if kind == "probability" and fits(probability, line.mask) else line.mask.astype(float)


def line_masks(exhibits: list[Exhibit]) -> list[LineMask]:
    """Those that have a mask over lines of the largest width; without full sampling."""
    below_full = [LineMask(exhibit, exhibit.mask) for exhibit in exhibits if leaves_out(exhibit.mask)]
    lines = [line for line in below_full if line.mask.ndim == 1]
    width = max((len(line.mask) for line in lines), default=0)
    return [line for line in lines if len(line.mask) == width]


def plot_profile(shares: Profile) -> go.Figure:
    """Share kept against the distance from DC: probability, exported mask, low-pass at the same rate."""
    figure = blank("distance from DC (k-space samples)", "share kept")
    probability = {"color": GREEN, "dash": "dot", "shape": "linear"}
    _add_share(figure, shares.distance, shares.probability, "learned probability", probability)
    _add_share(figure, shares.distance, shares.mask, "exported mask", {"color": GREEN, "shape": "hvh"})
    lowpass = {"color": GREY, "dash": "dash", "shape": "hvh"}
    _add_share(figure, shares.distance, shares.lowpass, "low-pass, same rate", lowpass)
    figure.update_layout(yaxis={"range": [-0.03, 1.05]})
    return figure


def _add_share(figure: go.Figure, distance: np.ndarray, share: np.ndarray, name: str, line: dict) -> None:
    hover = f"{name}: %{{y:.2f}} at %{{x}}<extra></extra>"
    figure.add_trace(
        go.Scatter(
            x=distance.tolist(),
            y=share.tolist(),
            mode="lines",
            name=name,
            line={"dash": "solid", **line},
            hovertemplate=hover,
        )
    )
