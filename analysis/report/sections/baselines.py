"""What is reached without a network: by one number of an image, and by classical classifiers at every rate."""

from collections.abc import Sequence

from analysis.report.parts import Heading, Paragraph, Part, table
from analysis.report.sections.base import Section, known_columns, of_classes
from analysis.results.compute import Analysis
from analysis.results.yardsticks import COLUMNS

WORDS = (
    "What one number of the input, after the network's own scaling, tells on test patients, in its better direction; "
    "90 % patient-clustered intervals. A network that is not above the best has learned nothing."
)
MISSING = "Not computed: cohort.csv holds no one-number column for labelled test patients."
YARDSTICKS = (
    "Classical classifiers, trained on the source vendor's training images as each trial's mask samples them, settings "
    "chosen on its validation patients: linear on 35 numbers is a logistic regression on 13 quantiles, two mean "
    "gradients, the standard deviation and a 19-bin radial log spectrum. above: test metric of the network minus the "
    "yardstick's on the same patients; low and high end patient-clustered 90 % intervals. A network that is "
    "not above a yardstick is not shown to have learned more than it."
)
NO_YARDSTICK = "These records hold no yardstick: an earlier version wrote them."


def parts(analysis: Analysis) -> Sequence[Part]:
    """A row a vendor's test patients and number, then a row a configuration and yardstick."""
    return [Heading("One number"), *_one_number(analysis), Heading("Yardsticks at every rate"), *_yardsticks(analysis)]


def _one_number(analysis: Analysis) -> list[Part]:
    frame = analysis.baselines.drop(columns="source").rename(
        columns={"value": analysis.run.metric, "vendor": analysis.measure.domains.one}
    )
    if frame.empty:
        return [Paragraph(MISSING, "small")]
    return [table(frame, "baselines"), Paragraph(WORDS, "small")]


def _yardsticks(analysis: Analysis) -> list[Part]:
    if analysis.yardsticks.empty:
        return [Paragraph(NO_YARDSTICK, "small")]
    names = [name for name in COLUMNS if name not in ("configuration", "full")]
    frame = known_columns(analysis.yardsticks, names, analysis.measure)
    return [table(frame, "yardsticks"), Paragraph(analysis.measure.words(YARDSTICKS), "small")]


SECTION = Section("Without a network", parts, of_classes)
