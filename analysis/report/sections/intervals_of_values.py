"""How the intervals of a mean over images were made."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part
from analysis.report.sections.base import Section, of_values
from analysis.results.compute import Analysis

CLUSTERED = (
    "Every 90 % interval of this page is by resampling patients, never images. metric is a mean over the images that "
    "have a tumour, each counting the same, so a patient weighs as many as it has; the interval is the bootstrap's "
    "standard error times Student's t on the logit scale, with the patients that have such an image as sample size."
)
MISSING = "No per-image scores lie beside these records, so no interval was computed."


def parts(analysis: Analysis) -> Sequence[Part]:
    """How the intervals were made, or why there are none."""
    if not analysis.vendors:
        return []
    text = analysis.measure.words(CLUSTERED) if any(analysis.draws.values()) else MISSING
    return [Paragraph(text, "small")]


SECTION = Section("How the intervals were made", parts, of_values)
