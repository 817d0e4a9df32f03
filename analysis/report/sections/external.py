"""The exported models on other cohorts."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results.compute import Analysis

MISSING = "No external cohort was evaluated (RUN/external/NAME.csv)."


def parts(analysis: Analysis) -> Sequence[Part]:
    """A row a cohort, its vendor, and the trial that was scored on it."""
    external = analysis.run.external
    metric = analysis.run.metric
    if external.empty:
        return [Paragraph(MISSING, "small")]
    trials = analysis.run.trials[["key", "vendor", "mask", "seed", "realised_rate"]]
    trials = trials.rename(columns={"vendor": "trained on", "realised_rate": "rate"})
    frame = external.rename(columns={"vendor": "scored on"}).merge(trials, on="key", how="left")
    names = ["cohort", "trained on", "mask", "rate", "seed", "scored on", "images", "patients", metric, "key"]
    frame = frame[names].dropna(axis="columns", how="all")
    return [labels_seen(analysis), table(frame, "external", f"{analysis.measure.title} on other cohorts")]


SECTION = Section("External cohorts", parts)
