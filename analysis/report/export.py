"""The report's figures as SVG and PNG files for a paper, where a browser can draw them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import plotly.graph_objects as go
import plotly.io as pio

from analysis.plots.clinic import plot_operating, plot_reliability
from analysis.plots.curves import plot_curves
from analysis.plots.gallery import gallery
from analysis.plots.masks import plot_line_masks, plot_profile
from analysis.plots.optimal import plot_optimal
from analysis.plots.pareto import plot_pareto
from analysis.plots.profiles import profile
from analysis.plots.training import LINES, plot_training
from analysis.report.page import slug
from analysis.results.compute import Analysis
from tune_ks.core.storage import StoragePath, put_folder

INK, LINE = "#1c2430", "#d5dae1"
WIDTH, HEIGHT, SCALE = 720, 480, 2  # pixels; a PNG has SCALE times as many
NEEDS = (
    "SVG and PNG files need the package kaleido (pip install kaleido) and a Chromium or Chrome on this machine; the "
    "report's button 'Save SVG' under each figure needs neither."
)


class NoBrowser(RuntimeError):
    """Nothing here can draw a figure into a file: one message that says what would do."""


def figures(analysis: Analysis) -> dict[str, go.Figure]:
    """The name of a file -> the figure, on white; the same figures as in the report."""
    found: dict[str, go.Figure | None] = {}
    for vendor in analysis.vendors:
        name = slug(vendor)
        found[f"pareto-{name}"] = plot_pareto(analysis, vendor)
        found[f"optimal-{name}"] = plot_optimal(analysis, vendor)
        for split in ("test", "val"):
            if analysis.configurations[f"{split}_in_domain"].notna().any():
                found[f"curves-{split}-{name}"] = plot_curves(analysis, vendor, split)
        shown = gallery(analysis, vendor, with_images=False)
        found[f"masks-probability-{name}"] = plot_line_masks(shown, "probability")
        found[f"masks-{name}"] = plot_line_masks(shown, "mask")
        chosen = next((p for p in shown if p.chosen and p.mask is not None and not p.mask.all()), None)
        if chosen is not None:
            found[f"profile-{name}"] = plot_profile(profile(chosen.mask, chosen.probability))
        for kind, plot in (("operating", plot_operating), ("reliability", plot_reliability)):
            rows = getattr(analysis.clinic, kind)
            rows = rows[rows["trained on"] == vendor]
            found[f"{kind}-{name}"] = plot(rows) if len(rows) else None
        found |= {f"training-{line}-{name}": plot_training(analysis, vendor, line) for line in LINES}
    return {name: on_white(figure) for name, figure in found.items() if figure is not None}


def write_figures(analysis: Analysis, folder: StoragePath | None = None) -> list[StoragePath]:
    """Write RUN/figures/NAME.svg and NAME.png. NoBrowser, with one message, where nothing can draw them."""
    folder = folder or analysis.run.root / "figures"
    drawn = figures(analysis)
    names = [f"{name}.{kind}" for name in drawn for kind in ("svg", "png")]
    with TemporaryDirectory() as scratch:
        try:
            pio.write_images(
                fig=[figure for figure in drawn.values() for _ in ("svg", "png")],
                file=[str(Path(scratch) / name) for name in names],
                width=WIDTH,
                height=[int(f.layout.height or HEIGHT) for f in drawn.values() for _ in ("svg", "png")],
                scale=[scale for _ in drawn for scale in (1, SCALE)],
            )
        except Exception as error:  # kaleido absent, no browser, or one that does not start: each has its own class
            raise NoBrowser(f"No figure file was written ({type(error).__name__}). {NEEDS}") from error
        put_folder(Path(scratch), folder)
    return [folder / name for name in names]


def on_white(figure: go.Figure) -> go.Figure:
    """The figure as it is printed."""
    axis = {"gridcolor": LINE, "linecolor": LINE}
    figure.update_layout(paper_bgcolor="white", font={"color": INK}, xaxis=axis, yaxis=axis)
    return figure
