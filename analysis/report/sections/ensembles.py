"""The trainings of each chosen rate used together."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, labels_seen, of_classes
from analysis.results.compute import Analysis

NOTE = (
    "Together: the mean logit of all trainings, as predict uses them. One: the mean of their own AUCs, by which rates "
    "are chosen and compared. Test patients; 90 % intervals over patients alone, paired for differences, because there "
    "is one ensemble: compare no rates here."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A table; nothing where no rate has several trainings."""
    rows = analysis.ensembles
    if rows.empty:
        return []
    shown = rows.dropna(axis="columns", how="all").rename(columns=analysis.measure.domains.of)
    return [
        table(shown, "ensembles", "All trainings of the chosen rate, used together"),
        labels_seen(analysis),
        Paragraph(NOTE, "small"),
    ]


SECTION = Section("Trainings used together", parts, of_classes)
