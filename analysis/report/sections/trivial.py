"""What is reached without a network where each image has a value by itself: by answers that ignore the image, and by
classical methods at every rate.
"""

from collections.abc import Sequence

from analysis.report.parts import Heading, Paragraph, Part, table
from analysis.report.sections.base import Section, of_values
from analysis.report.sections.baselines import yardsticks
from analysis.results.compute import Analysis

WORDS = (
    "What answers that ignore the image reach on test patients. A network that is not above the best of them has "
    "learned nothing from the image. The numbers are taken as exact: the records hold them without intervals."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """Every such answer of each source vendor on each vendor, then a row a configuration and yardstick."""
    shown = _ignoring_the_image(analysis)
    if not analysis.yardsticks.empty:
        shown += [Heading("Yardsticks at every rate"), *yardsticks(analysis)]
    return shown


def _ignoring_the_image(analysis: Analysis) -> list[Part]:
    """Every answer that ignores the image, as the records give it."""
    names = {"source": "trained on", "vendor": "tested on", "baseline": "answer", "value": analysis.measure.title}
    frame = analysis.baselines[list(names)].rename(columns=names)
    if frame.empty:
        return [Paragraph("Not told by these records.", "small")]
    return [table(frame, "trivial"), Paragraph(WORDS, "small")]


SECTION = Section("What an answer scores that ignores the image", parts, of_values)
