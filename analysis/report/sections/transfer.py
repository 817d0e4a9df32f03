"""What training on another vendor costs on the same images, by rate."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results import transfer
from analysis.results.compute import Analysis

NOTE = (
    "loss: test metric of the models that were trained on the vendor tested on, minus that of the models trained on "
    "the other vendor, on the same images [90 % interval over patients and seeds; with one seed on a side over "
    "patients only, about these trainings]. Less than at full sampling: above 0, the lower rate shrinks the loss. "
    "Every row is one comparison: of twenty with no effect about two have an interval that leaves out 0."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A table; nothing where no configuration was trained on two vendors."""
    if analysis.transfer.empty:
        return []
    shown = analysis.transfer.dropna(axis="columns", how="all")
    lines = [Paragraph(line) for line in transfer.sentences(analysis.transfer, analysis.measure.title)]
    note = Paragraph(analysis.measure.words(NOTE), "small")
    return [*lines, table(shown, "transfer", "Transfer loss on the same images"), labels_seen(analysis), note]


SECTION = Section("Transfer loss", parts)
