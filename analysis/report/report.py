"""report.html: one file, opens offline. Walks the sections and writes the page whole."""

from dataclasses import replace

from analysis.plots.common import plotly_js
from analysis.read.small_tables import python_texts
from analysis.report.page import Live, RenderedSection, render, render_page
from analysis.report.sections import SECTIONS
from analysis.results.compute import Analysis
from analysis.results.synthetic import phantom_mark
from analysis.results.warnings import is_synthetic
from tune_ks.core.storage import StoragePath, write_whole


@python_texts
def write_report(analysis: Analysis, images: bool = True, live: int | None = None) -> StoragePath:
    """Write RUN/report.html whole; ``images=False`` leaves every patient's image out. Returns its path.

    ``live``: the page loads itself again every so many seconds, for a run that is being watched.
    """
    sections = rendered_sections(replace(analysis, images=images))
    notice = None if live is None else Live(live, analysis.run.counts())
    path = analysis.run.root / "report.html"
    page = render_page(title_of(analysis), sections, plotly_js(), notice, phantom_mark(analysis))
    write_whole(path, page.encode())
    return path


def title_of(analysis: Analysis) -> str:
    """The title of the page."""
    title = f"Sampling rate: {analysis.run.search.get('space', analysis.run.root.name)}"
    return f"{title} (phantom)" if is_synthetic(analysis.run) else title


def rendered_sections(analysis: Analysis) -> list[RenderedSection]:
    """Every section that the run's metric can have and that has something to show, from the top of the page on."""
    measure = analysis.measure
    sections = []
    for section in SECTIONS.values():
        if not section.needs(measure):
            continue
        body = render(section.parts(analysis))
        if body:
            sections.append(RenderedSection(measure.words(section.title), body))
    return sections
