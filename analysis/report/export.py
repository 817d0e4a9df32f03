"""The report's figures as SVG and PNG files for a paper, where a browser can draw them."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import plotly.graph_objects as go
import plotly.io as pio

from analysis.plots.clinic import plot_operating, plot_reliability
from analysis.plots.common import to_json
from analysis.plots.curves import plot_curves
from analysis.plots.masks import plot_line_masks, plot_profile, profile
from analysis.plots.pareto import plot_optimal, plot_pareto
from analysis.plots.patients import plot_patients
from analysis.plots.training import plot_training
from analysis.report.parts import slug
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.curves_info import curves_info
from analysis.results.gallery import gallery
from analysis.results.learning_curve import patients_info
from analysis.results.pareto_info import pareto_info
from analysis.results.training_info import ENTRIES, training_info
from tune_ks.core.storage import StoragePath, put_folder

INK, LINE = "#1c2430", "#d5dae1"
WIDTH, HEIGHT = 720, 480  # pixels
SCALE = 2  # a PNG has so many times as many
SCALES = {"svg": 1, "png": SCALE}
NEEDS = (
    "SVG and PNG files need the package kaleido (pip install kaleido) and a Chromium or Chrome on this machine; the "
    "report's button 'Save SVG' under each figure needs neither."
)


class NoBrowser(RuntimeError):
    """Nothing here can draw a figure into a file: one message that says what would do."""


def figures(analysis: Analysis) -> dict[str, go.Figure]:
    """The name of a file -> the figure, on white; the same figures as in the report."""
    drawn = {}
    for vendor, computed in analysis.vendors.items():
        for name, figure in _of_vendor(analysis, computed):
            if figure is not None:
                drawn[f"{name}-{slug(vendor)}"] = on_white(figure)
    return drawn


def _of_vendor(analysis: Analysis, computed: VendorAnalysis) -> Iterator[tuple[str, go.Figure | None]]:
    """(name, figure) of all that the report can draw of one vendor; None where there is nothing to draw."""
    vendor = computed.vendor
    yield "pareto", plot_pareto(pareto_info(analysis, vendor))
    if computed.uncertain_front is not None:
        yield "optimal", plot_optimal(computed.uncertain_front, analysis.measure)
    for split in ("test", "val"):
        if analysis.configurations[f"{split}_in_domain"].notna().any():
            yield f"curves-{split}", plot_curves(curves_info(analysis, vendor, split)._replace(rate_units=[]))
    by_patients = patients_info(analysis, vendor)
    if by_patients is not None:
        yield "patients", plot_patients(by_patients)
    yield from _masks(analysis, vendor)
    yield from _clinic(analysis, vendor)
    for entry in ENTRIES:
        info = training_info(analysis, vendor, entry)
        if info is not None:
            yield f"training-{entry}", plot_training(info)


def _masks(analysis: Analysis, vendor: str) -> Iterator[tuple[str, go.Figure | None]]:
    exhibits = gallery(analysis, vendor, with_images=False)
    yield "masks-probability", plot_line_masks(exhibits, "probability")
    yield "masks", plot_line_masks(exhibits, "mask")
    chosen = next((exhibit for exhibit in exhibits if exhibit.chosen and exhibit.undersampled), None)
    if chosen is not None:
        yield "profile", plot_profile(profile(chosen.mask, chosen.probability))


def _clinic(analysis: Analysis, vendor: str) -> Iterator[tuple[str, go.Figure]]:
    tables = {"operating": analysis.clinic.operating, "reliability": analysis.clinic.reliability}
    plots = {"operating": plot_operating, "reliability": plot_reliability}
    for name, table in tables.items():
        rows = table[table["trained on"] == vendor]
        if len(rows):
            yield name, plots[name](rows)


def write_figures(analysis: Analysis, folder: StoragePath | None = None) -> list[StoragePath]:
    """Write RUN/figures/NAME.svg and NAME.png. NoBrowser, with one message, where nothing can draw them."""
    folder = folder or analysis.run.root / "figures"
    drawn = []
    names = []
    heights = []
    scales = []
    for name, figure in figures(analysis).items():
        for kind, scale in SCALES.items():
            drawn.append(pio.from_json(to_json(figure)))
            names.append(f"{name}.{kind}")
            heights.append(int(figure.layout.height or HEIGHT))
            scales.append(scale)
    with TemporaryDirectory() as scratch:
        paths = [str(Path(scratch) / name) for name in names]
        try:
            pio.write_images(fig=drawn, file=paths, width=WIDTH, height=heights, scale=scales)
        except Exception as error:  # kaleido absent, no browser, or one that does not start: each has its own class
            raise NoBrowser(f"No figure file was written ({type(error).__name__}). {NEEDS}") from error
        put_folder(Path(scratch), folder)
    return [folder / name for name in names]


def on_white(figure: go.Figure) -> go.Figure:
    """The figure as it is printed."""
    axis = {"gridcolor": LINE, "linecolor": LINE}
    figure.update_layout(paper_bgcolor="white", font={"color": INK}, xaxis=axis, yaxis=axis)
    return figure
