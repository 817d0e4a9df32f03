"""What is reached without a network: by one number of an image, and by classical methods at every rate."""

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
    "Classical methods, fitted to the source vendor's training images as each trial's mask samples them, settings "
    "chosen on its validation patients: {described}.{marked} above: test metric of the trial minus the yardstick's on "
    "the same patients; low and high end patient-clustered 90 % intervals. A network that is not above a yardstick is "
    "not shown to have learned more than it."
)
MARKED = " Marked is the best of a configuration in in-domain validation, which the curves show."
DESCRIBED = {  # a yardstick in words -> what it is; another one is its own name
    "linear on 35 numbers": "linear on 35 numbers is a logistic regression on 13 quantiles, two mean gradients, the "
    "standard deviation and a 19-bin radial log spectrum",
    "svm": "svm is a support vector machine with a Gaussian kernel on 16 x 16 pixels",
    "nearest neighbours": "nearest neighbours are those by 16 x 16 pixels",
    "random forest": "random forest has 100 trees on 16 x 16 pixels",
    "otsu": "otsu is a threshold between two classes of pixels",
    "k means": "k means is the brightest cluster of pixels",
    "region growing": "region growing begins at the brightest spot",
    "fwhm": "fwhm is all that is half as bright as the brightest pixel",
    "strm": "strm is all that is n deviations above the tissue's median",
}
NO_YARDSTICK = "These records hold no yardstick: an earlier version wrote them."


def parts(analysis: Analysis) -> Sequence[Part]:
    """A row a vendor's test patients and number, then a row a configuration and yardstick."""
    return [Heading("One number"), *_one_number(analysis), Heading("Yardsticks at every rate"), *yardsticks(analysis)]


def _one_number(analysis: Analysis) -> list[Part]:
    frame = analysis.baselines.drop(columns="source").rename(
        columns={"value": analysis.measure.title, "vendor": analysis.measure.domains.one}
    )
    if frame.empty:
        return [Paragraph(MISSING, "small")]
    return [table(frame, "baselines"), Paragraph(WORDS, "small")]


def yardsticks(analysis: Analysis) -> list[Part]:
    """What classical methods reach, a row a configuration and method."""
    if analysis.yardsticks.empty:
        return [Paragraph(NO_YARDSTICK, "small")]
    rows = analysis.yardsticks
    left_out = {"configuration", "full", "best", "has_network"}
    if rows["train_share"].nunique() == 1:
        left_out.add("train_share")
    names = [name for name in COLUMNS if name not in left_out]
    frame = known_columns(rows, names, analysis.measure)
    kinds = rows["yardstick"].unique()
    described = "; ".join(DESCRIBED.get(name, name) for name in kinds)
    several = len(kinds) > 1  # else every row is the best of its configuration
    words = analysis.measure.words(YARDSTICKS).format(described=described, marked=MARKED if several else "")
    marked = rows["best"].astype(bool) if several else None
    return [table(frame, "yardsticks", chosen=marked), Paragraph(words, "small")]


SECTION = Section("Without a network", parts, of_classes)
