"""Which vendors the cross-domain mean is over, and the chosen rate on every one of them."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results import other_vendors
from analysis.results.compute import Analysis
from tune_ks.core.domains import FEWEST

NOTE = (
    "The cross-domain metric is the mean over the other vendors, each with the same weight. A vendor with fewer than "
    f"{FEWEST} {{patients}} is not in it, because it would bring as much of the mean as any other and nearly "
    "all of its error. Values are test metrics of the chosen rate [90 % interval over patients and trainings]."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A table; nothing where every mean is of one vendor and leaves out none."""
    rows = analysis.other_vendors
    if rows.empty:
        return []
    measure = analysis.measure
    lines = other_vendors.sentences(analysis.run, rows, measure)
    means = [Paragraph(line) for line in lines if not line.startswith(" ")]
    shown = rows.dropna(axis="columns", how="all").rename(columns=measure.patient_words)
    if not measure.finding:
        shown = shown.drop(columns="patients without", errors="ignore")
    note = Paragraph(measure.words(NOTE.format(patients=measure.patient_words("patients of a class"))), "small")
    return [
        *means,
        table(shown, "other-vendors", measure.words("The other vendors, one by one")),
        labels_seen(analysis),
        note,
    ]


SECTION = Section("Other vendors", parts)
