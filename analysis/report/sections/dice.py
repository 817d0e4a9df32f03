"""The report's sections that stand, in a run of Dice, where one of AUCs has its baselines and DeLong's errors."""

from analysis.report.page import paragraph, table
from analysis.results.compute import Analysis

TRIVIAL = (
    "The best that an answer reaches which is the same for every image, on test patients. A network that is not above "
    "it has learned nothing from the image. The number is taken as exact: the records hold it without an interval."
)
CLUSTERED = (
    "Every 90 % interval of this page is by resampling patients, never images. Dice is a mean over the images that "
    "have a tumour, each counting the same, so a patient weighs as many as it has; the interval is the bootstrap's "
    "standard error times Student's t on the logit scale, with the patients that have such an image as sample size."
)


def trivial_table(analysis: Analysis) -> str:
    """What the records tell of an answer that ignores the image."""
    names = {"source": "trained on", "vendor": "tested on", "value": analysis.run.metric}
    found = table(analysis.baselines[list(names)].rename(columns=names), "trivial")
    return found + paragraph(TRIVIAL if found else "Not told by these records.", "small")


def intervals(analysis: Analysis) -> str:
    """By what the intervals are; why there are none."""
    if not analysis.vendors:
        return ""
    missing = "No per-image scores lie beside these records, so no interval was computed."
    return paragraph(CLUSTERED if any(analysis.draws.values()) else missing, "small")
