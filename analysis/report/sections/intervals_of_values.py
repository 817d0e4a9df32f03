"""How the intervals of a metric without classes were made."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part
from analysis.report.sections.base import Section, of_values
from analysis.results.compute import Analysis

CLUSTERED = (
    "Every 90 % interval of this page is by resampling patients, never images. metric {rests_on}. The interval is the "
    "bootstrap's standard error times Student's t on the logit scale."
)
MISSING = "No per-image scores lie beside these records, so no interval was computed."


def parts(analysis: Analysis) -> Sequence[Part]:
    """How the intervals were made, or why there are none."""
    if not analysis.vendors:
        return []
    if not any(analysis.draws.values()):
        return [Paragraph(MISSING, "small")]
    measure = analysis.measure
    return [Paragraph(measure.words(CLUSTERED).format(rests_on=measure.words(measure.rests_on)), "small")]


SECTION = Section("How the intervals were made", parts, of_values)
