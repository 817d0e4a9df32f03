"""One section of a report as it stands on the page, for tests that look at no other: a whole page takes two seconds."""

from analysis.report.page import render
from analysis.report.sections import SECTIONS
from analysis.results.compute import Analysis


def section_of(analysis: Analysis, name: str) -> str:
    """The HTML below the heading of a section, of those that a page of this metric has."""
    section = SECTIONS[name]
    assert section.needs(analysis.measure)
    return str(render(section.parts(analysis)))
