"""What one number of an image, such as its mean, tells about its class: the baseline of a network."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, of_classes
from analysis.results.compute import Analysis

WORDS = (
    "What one number of the input, after the network's own scaling, tells on test patients, in its better direction; "
    "90 % patient-clustered intervals. A network that is not above the best has learned nothing."
)
MISSING = "Not computed: cohort.csv holds no one-number column for labelled test patients."


def parts(analysis: Analysis) -> Sequence[Part]:
    """A row a vendor's test patients and number."""
    frame = analysis.baselines.drop(columns="source").rename(columns={"value": analysis.run.metric})
    if frame.empty:
        return [Paragraph(MISSING, "small")]
    return [table(frame, "baselines"), Paragraph(WORDS, "small")]


SECTION = Section("One-number baselines", parts, of_classes)
