"""The report's figures, tables and methods as files for a paper; figures where a browser can draw them."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
from PIL import Image

from analysis.plots.clinic import plot_operating, plot_reliability, plot_roc
from analysis.plots.common import SPLIT_WORDS, to_json
from analysis.plots.curves import plot_curves
from analysis.plots.masks import plot_line_masks, plot_profile, profile
from analysis.plots.paper import Panel, as_panel, joint, numbers, on_paper
from analysis.plots.pareto import plot_optimal, plot_pareto
from analysis.plots.patients import plot_patients
from analysis.plots.training import plot_training
from analysis.plots.versus import plot_versus
from analysis.report.no_browser import NEEDS, NoBrowser
from analysis.report.paper_tables import paper_tables
from analysis.report.parts import slug
from analysis.results.checklist import checklist_file
from analysis.results.clinic import roc_of
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.curves_info import curves_info
from analysis.results.gallery import gallery, leaves_out
from analysis.results.learning_curve import patients_info
from analysis.results.methods import methods
from analysis.results.pareto_info import pareto_info
from analysis.results.synthetic import SENTENCE, phantom_mark
from analysis.results.training_info import ENTRIES, training_info
from analysis.results.versus_info import versus_info
from tune_ks.core.rate_words import rate_words
from tune_ks.core.storage import StoragePath, put_folder

WIDTH, HEIGHT = 720, 480  # pixels of a figure: 7.5 x 5 inches
PANEL_WIDTH, PANEL_HEIGHT = 480, 440  # of a panel of the joint figure, whose two columns are 7.5 inches in print
PIXELS = 96  # an inch
DPI = 300  # of PNG and TIFF
KINDS = ("pdf", "svg", "png")  # the TIFF is made of the PNG
JOINT = ("pareto", "curves-test", "versus-low-pass", "masks")  # panels of the joint figure, where they can be drawn


class PaperFigure(NamedTuple):
    """A figure of one vendor, and what it is."""

    name: str
    title: str
    vendor: str
    figure: go.Figure

    @property
    def file(self) -> str:
        """The name of its files."""
        return f"{self.name}-{slug(self.vendor)}"


class Drawing(NamedTuple):
    """A figure that becomes a file in each of its formats."""

    file: Path  # without ending
    figure: go.Figure
    width: int  # pixels
    height: int
    scale: float = DPI / PIXELS  # of the PNG
    kinds: tuple[str, ...] = KINDS


def require_browser() -> None:
    """NoBrowser where no figure file can be drawn here. Called before a long analysis, it draws an empty figure."""
    try:
        pio.to_image(go.Figure(), format="svg", width=10, height=10)
    except Exception as error:  # kaleido absent, no browser, or one that does not start: each has its own class
        raise NoBrowser(f"No figure file can be drawn here ({type(error).__name__}). {NEEDS}") from error


def figures(analysis: Analysis) -> dict[str, go.Figure]:
    """The name of a file -> the figure as it is printed; the same figures as in the report."""
    return {figure.file: printed(analysis, figure) for figure in paper_figures(analysis)}


def paper_figures(analysis: Analysis) -> Iterator[PaperFigure]:
    """All figures of the report that can be drawn, vendor by vendor."""
    for vendor, computed in analysis.vendors.items():
        for name, title, figure in _of_vendor(analysis, computed):
            if figure is not None:
                yield PaperFigure(name, title, vendor, figure)


def printed(analysis: Analysis, figure: PaperFigure) -> go.Figure:
    """The figure on white with title and vendor, and a mark where the cohort is a phantom."""
    mark = phantom_mark(analysis)
    about = f"trained on {figure.vendor}"
    if mark:
        about += f"<br>{SENTENCE}"
    return on_paper(figure.figure, figure.title, about, mark)


def _of_vendor(analysis: Analysis, computed: VendorAnalysis) -> Iterator[tuple[str, str, go.Figure | None]]:
    """(name, title, figure) of all that the report can draw of one vendor; None where there is nothing to draw."""
    vendor = computed.vendor
    measure = analysis.measure
    split = SPLIT_WORDS[computed.split]
    title = f"In-domain against cross-domain {split} {measure.title}"
    yield "pareto", title, plot_pareto(pareto_info(analysis, vendor))
    if computed.uncertain_front is not None:
        yield "optimal", "How often a rate is Pareto-optimal", plot_optimal(computed.uncertain_front, measure)
    for name in ("test", "val"):
        if analysis.configurations[f"{name}_in_domain"].notna().any():
            drawn = plot_curves(curves_info(analysis, vendor, name)._replace(rate_units=[]))
            yield f"curves-{name}", f"{SPLIT_WORDS[name].capitalize()} {measure.title} against the sampling rate", drawn
    versus = versus_info(analysis, vendor)
    if versus is not None:
        drawn = plot_versus(versus._replace(rate_units=[]))
        yield "versus-low-pass", f"Mask minus low-pass at equal rate, test {measure.title}", drawn
    by_patients = patients_info(analysis, vendor)
    if by_patients is not None:
        yield "patients", f"Test {measure.title} against training patients", plot_patients(by_patients)
    yield from _masks(analysis, vendor)
    yield from _clinic(analysis, vendor)
    for entry in ENTRIES:
        info = training_info(analysis, vendor, entry)
        if info is not None:
            yield f"training-{entry}", f"Training: {info.words}", plot_training(info)


def _masks(analysis: Analysis, vendor: str) -> Iterator[tuple[str, str, go.Figure | None]]:
    exhibits = gallery(analysis, vendor, with_images=False)
    yield "masks-probability", "Probability of each k-space line", plot_line_masks(exhibits, "probability")
    yield "masks", "k-space lines that are kept", plot_line_masks(exhibits, "mask")
    chosen = next((exhibit for exhibit in exhibits if exhibit.chosen and leaves_out(exhibit.mask)), None)
    if chosen is not None and chosen.mask is not None:
        title = f"The chosen mask by distance from DC, rate {rate_words(chosen.rate)}"
        yield "profile", title, plot_profile(profile(chosen.mask, chosen.probability))


def _clinic(analysis: Analysis, vendor: str) -> Iterator[tuple[str, str, go.Figure]]:
    of_finding = partial(plot_reliability, finding=analysis.measure.finding)
    tables: dict[str, tuple[str, pd.DataFrame, Callable[[pd.DataFrame], go.Figure]]] = {
        "operating": ("Sensitivity at fixed specificity", analysis.clinic.operating, plot_operating),
        "reliability": ("Calibration", analysis.clinic.reliability, of_finding),
    }
    for name, (title, table, plot) in tables.items():
        rows = table[table["trained on"] == vendor]
        if len(rows):
            yield name, title, plot(rows)
    rows = analysis.clinic.operating
    rows = rows[rows["trained on"] == vendor]
    for scored_on in dict.fromkeys(curve.vendor for curve in analysis.clinic.roc if curve.source == vendor):
        curves = roc_of(analysis.clinic, vendor, scored_on)
        drawn = plot_roc(curves, rows[rows["scored on"] == scored_on])
        yield f"roc-on-{slug(scored_on)}", f"ROC on test images of {scored_on}", drawn


def write_figures(analysis: Analysis, folder: StoragePath | None = None) -> list[StoragePath]:
    """Write RUN/figures: each figure as PDF, SVG, PNG, TIFF and CSV, one joint figure a vendor, tables and methods.

    The folder holds nothing else afterwards. NoBrowser, with one message, where nothing can draw: then it is as before.
    """
    folder = folder or analysis.run.root / "figures"
    with TemporaryDirectory() as scratch, TemporaryDirectory() as aside:
        place = Path(scratch)
        panels: dict[str, list[Path]] = {}  # vendor -> the panels of its joint figure
        drawings = []
        for figure in paper_figures(analysis):
            drawing = printed(analysis, figure)
            numbers(drawing).to_csv(place / f"{figure.file}.csv", index=False, float_format="%.6g")
            drawings.append(Drawing(place / figure.file, drawing, WIDTH, int(drawing.layout.height or HEIGHT)))
            if figure.name in JOINT:
                of_vendor = panels.setdefault(figure.vendor, [])
                panel = as_panel(drawing, len(of_vendor), PANEL_HEIGHT)
                of_vendor.append(Path(aside) / figure.file)
                drawings.append(Drawing(of_vendor[-1], panel, PANEL_WIDTH, PANEL_HEIGHT, kinds=("svg",)))
        _draw(drawings)
        _draw([_joint(place / f"joint-{slug(vendor)}", paths) for vendor, paths in panels.items() if len(paths) > 1])
        for name, text in (methods(analysis) | checklist_file(analysis) | paper_tables(analysis)).items():
            (place / name).write_text(text, encoding="utf-8")
        names = sorted(path.name for path in place.iterdir())
        put_folder(place, folder)
    return [folder / name for name in names]


def _joint(file: Path, panels: list[Path]) -> Drawing:
    """Panels that were drawn as SVG in one figure, which is as wide in print as a single one."""
    drawn = [Panel(Path(f"{panel}.svg").read_bytes(), PANEL_WIDTH, PANEL_HEIGHT) for panel in panels]
    figure = joint(drawn)
    width = int(figure.layout.width)
    return Drawing(file, figure, width, int(figure.layout.height), scale=DPI / PIXELS * WIDTH / width)


def _draw(drawings: list[Drawing]) -> None:
    """Every drawing in all its formats, in one start of the browser."""
    figures_drawn, files, widths, heights, scales = [], [], [], [], []
    for drawing in drawings:
        safe = pio.from_json(to_json(drawing.figure))
        for kind in drawing.kinds:
            figures_drawn.append(safe)
            files.append(f"{drawing.file}.{kind}")
            widths.append(drawing.width)
            heights.append(drawing.height)
            scales.append(drawing.scale if kind == "png" else 1)
    if not files:
        return
    try:
        pio.write_images(fig=figures_drawn, file=files, width=widths, height=heights, scale=scales)
    except Exception as error:
        raise NoBrowser(f"No figure file was written ({type(error).__name__}). {NEEDS}") from error
    for file in files:
        if file.endswith(".png"):
            _set_resolution(Path(file))


def _set_resolution(png: Path) -> None:
    """Say in a PNG that it has DPI pixels an inch, and write the same image as TIFF."""
    with Image.open(png) as drawn:
        image = drawn.convert("RGB")
    image.save(png, dpi=(DPI, DPI), optimize=True)
    image.save(png.with_suffix(".tiff"), dpi=(DPI, DPI), compression="tiff_lzw")
