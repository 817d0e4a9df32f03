"""report.html: one file, opens offline. Each section is a function of the Analysis."""

from collections.abc import Callable
from functools import partial
from html import escape
from typing import NamedTuple

from analysis.plots.common import plotly_js
from analysis.report.page import page
from analysis.report.sections import dice as report_dice
from analysis.report.sections import figures as report_figures
from analysis.report.sections import tables as report_tables
from analysis.report.sections.clinic import clinician
from analysis.report.sections.headline import headline
from analysis.report.sections.intervals import intervals
from analysis.report.sections.masks import masks_and_images
from analysis.report.sections.pareto import pareto
from analysis.report.sections.proof import proofs
from analysis.report.sections.reconstruction import reconstructions
from analysis.report.sections.robustness import image_quality
from analysis.results.compute import Analysis
from tune_ks.core.storage import StoragePath, write_whole


class Section(NamedTuple):
    """A heading in the words of the metric, and what fills it; a section without a body is left out."""

    heading: str
    body: Callable[[Analysis], str]
    of_classes: bool | None = None  # of metrics with this Measure.of_classes only; None: of all


def sections(images: bool) -> tuple[Section, ...]:
    """The page from top to bottom; ``images=False`` leaves every patient's image out."""
    return (
        Section("The choice", headline),
        Section("What the data prove", proofs),
        Section("Pareto front", pareto),
        Section("metric against the rate", report_figures.curves),
        Section("Masks, and what they leave of an image", partial(masks_and_images, images=images)),
        Section("Reconstruction", reconstructions),
        Section("What a clinician asks", clinician, of_classes=True),
        Section("What each rule chooses", report_tables.choices),
        Section("External cohorts", report_tables.external_table),
        Section("Image quality", image_quality, of_classes=True),
        Section("Learning curves", report_figures.training),
        Section("Hyperparameters", report_figures.hyperparameters),
        Section("One-number baselines", report_tables.baseline_table, of_classes=True),
        Section("What an answer scores that ignores the image", report_dice.trivial_table, of_classes=False),
        Section("Configurations", report_tables.configuration_table),
        Section("How the intervals were made", intervals, of_classes=True),
        Section("How the intervals were made", report_dice.intervals, of_classes=False),
        Section("All trials", report_tables.trial_table),
        Section("Failed, stopped, left out", report_tables.trouble),
        Section("Provenance", report_tables.provenance),
    )


def write_report(analysis: Analysis, images: bool = True, live: int | None = None) -> StoragePath:
    """Write RUN/report.html whole; ``images=False`` leaves every patient's image out. Returns its path.

    ``live``: the page loads itself again every so many seconds, for a run that is being watched.
    """
    measure = analysis.measure
    shown = [one for one in sections(images) if one.of_classes in (None, measure.of_classes)]
    bodies = [(measure.words(one.heading), one.body(analysis)) for one in shown]
    title = f"Sampling rate: {analysis.run.search.get('space', analysis.run.root.name)}"
    path = analysis.run.root / "report.html"
    text = page(title, bodies, plotly_js(), _notice(analysis, live))
    write_whole(path, text.encode())
    return path


def _notice(analysis: Analysis, live: int | None) -> str:
    if live is None:
        return ""
    return (
        f'<p class="live" data-seconds="{live}">Watched while it runs: {escape(analysis.run.counts())}; '
        f"this page loads itself again every {live} s. <label><input type='checkbox'> pause</label></p>"
    )
