"""How a learned mask moved from epoch to epoch: its probabilities, and the energy and the lines it keeps."""

import numpy as np
import plotly.graph_objects as go

from analysis.plots.common import GREEN, GREY, SHADES, blank
from analysis.results.mask_path import MaskPath


def plot_probabilities(path: MaskPath) -> go.Figure:
    """A heat map: inclusion probability over the epoch and the distance from DC."""
    epochs, distances = path.probability.shape
    figure = blank("epoch", "distance from DC (samples)", legend=False)
    figure.add_trace(
        go.Heatmap(
            x=np.arange(1, epochs + 1),
            y=np.arange(distances),
            z=path.probability.T.round(3),
            zmin=0,
            zmax=1,
            colorscale="Viridis",
            colorbar={"thickness": 10, "title": {"text": "prob.", "side": "top"}},
            hovertemplate="epoch %{x}, distance %{y}: %{z:.2f}<extra></extra>",
        )
    )
    return figure


def plot_bands(path: MaskPath) -> go.Figure:
    """Expected number of kept coefficients in each band, stacked: their sum is the budget of the epoch."""
    figure = blank("epoch", "coefficients kept")
    colours = [SHADES[place] for place in np.linspace(0, len(SHADES) - 1, len(path.bands)).astype(int)]
    for colour, (words, kept) in zip(colours, path.bands.items()):
        _add_curve(figure, words, kept.round(2), ".1f", {"width": 1, "color": colour}, stackgroup="kept")
    return figure


def plot_energy(path: MaskPath) -> go.Figure:
    """Share of the energy beyond DC that the mask keeps, and that as many coefficients nearest to DC would keep."""
    figure = blank("epoch", "share of energy kept")
    curves = (
        ("learned mask", path.energy, {"color": GREEN}),
        ("low-pass, as many", path.lowpass_energy, {"color": GREY, "dash": "dash"}),
    )
    for words, share, line in curves:
        _add_curve(figure, words, share.round(4), ".3f", line)
    figure.update_layout(yaxis={"rangemode": "tozero"})
    return figure


def _add_curve(figure: go.Figure, words: str, values: np.ndarray, form: str, line: dict, **style: str) -> None:
    """(E,) values over the epochs, with a number format for the hover."""
    figure.add_trace(
        go.Scatter(
            x=np.arange(1, len(values) + 1),
            y=values,
            name=words,
            mode="lines",
            line=line,
            hovertemplate=f"{words}: %{{y:{form}}} at epoch %{{x}}<extra></extra>",
            **style,
        )
    )
