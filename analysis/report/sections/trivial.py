"""What an answer scores that is the same for every image: the baseline of a metric that values each image by itself."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, of_values
from analysis.results.compute import Analysis

WORDS = (
    "The best that an answer reaches which is the same for every image, on test patients. A network that is not above "
    "it has learned nothing from the image. The number is taken as exact: the records hold it without an interval."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """The best such answer of each source vendor on each vendor, as the records give it."""
    names = {"source": "trained on", "vendor": "tested on", "value": analysis.run.metric}
    frame = analysis.baselines[list(names)].rename(columns=names)
    if frame.empty:
        return [Paragraph("Not told by these records.", "small")]
    return [table(frame, "trivial"), Paragraph(WORDS, "small")]


SECTION = Section("What an answer scores that ignores the image", parts, of_values)
