"""report.html: one file, opens offline. Each section is a function of the Analysis."""

from collections.abc import Callable
from functools import partial
from html import escape

from analysis import report_figures, report_tables
from analysis.page import page
from analysis.plots import plotly_js
from analysis.report_clinic import clinician
from analysis.report_headline import headline
from analysis.report_intervals import intervals
from analysis.report_masks import masks_and_images
from analysis.report_pareto import pareto
from analysis.report_proof import proofs
from analysis.report_reconstruction import reconstructions
from analysis.report_robustness import image_quality
from analysis.study import Analysis
from tune_ks.storage import StoragePath, write_whole

SECTIONS: dict[str, Callable[[Analysis], str]] = {
    "The choice": headline,
    "What the data prove": proofs,
    "Pareto front": pareto,
    "AUC against the rate": report_figures.curves,
    "Masks, and what they leave of an image": masks_and_images,
    "Reconstruction": reconstructions,
    "What a clinician asks": clinician,
    "What each rule chooses": report_tables.choices,
    "External cohorts": report_tables.external_table,
    "Image quality": image_quality,
    "Learning curves": report_figures.training,
    "Hyperparameters": report_figures.hyperparameters,
    "One-number baselines": report_tables.baseline_table,
    "Configurations": report_tables.configuration_table,
    "How the intervals were made": intervals,
    "All trials": report_tables.trial_table,
    "Failed, stopped, left out": report_tables.trouble,
    "Provenance": report_tables.provenance,
}


def write_report(analysis: Analysis, images: bool = True, live: int | None = None) -> StoragePath:
    """Write RUN/report.html whole; ``images=False`` leaves every patient's image out. Returns its path.

    ``live``: the page loads itself again every so many seconds, for a run that is being watched.
    """
    sections = {**SECTIONS, "Masks, and what they leave of an image": partial(masks_and_images, images=images)}
    title = f"Sampling rate: {analysis.run.search.get('space', analysis.run.root.name)}"
    path = analysis.run.root / "report.html"
    text = page(title, [(name, one(analysis)) for name, one in sections.items()], plotly_js(), _notice(analysis, live))
    write_whole(path, text.encode())
    return path


def _notice(analysis: Analysis, live: int | None) -> str:
    if live is None:
        return ""
    return (
        f'<p class="live" data-seconds="{live}">Watched while it runs: {escape(analysis.run.counts())}; '
        f"this page loads itself again every {live} s. <label><input type='checkbox'> pause</label></p>"
    )
