"""What training on another vendor costs on the same images, by rate."""

from collections.abc import Sequence

from analysis.plots.common import to_json
from analysis.plots.transfer import plot_transfer
from analysis.report.parts import Figure, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results import transfer
from analysis.results.compute import Analysis

HEIGHT = 360  # pixels
ALT = (
    ": a colour a vendor trained on, a dash and a symbol a mask; above 0 the training on the other vendor is worse; "
    "bars are 90 % intervals"
)
NOTE = (
    "loss: test metric of the models that were trained on the vendor tested on, minus that of the models trained on "
    "the other vendor, on the same images [90 % interval over patients and seeds; with one seed on a side over "
    "patients only, about these trainings]. Less than at full sampling: above 0, the lower rate shrinks the loss. "
    "Every row is one comparison: of twenty with no effect about two have an interval that leaves out 0."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A figure a vendor tested on and a table; nothing where no configuration was trained on two vendors."""
    if analysis.transfer.empty:
        return []
    shown = analysis.transfer.dropna(axis="columns", how="all")
    lines = [Paragraph(line) for line in transfer.sentences(analysis.transfer, analysis.measure.title)]
    note = Paragraph(analysis.measure.words(NOTE), "small")
    rows = table(shown, "transfer", "Transfer loss on the same images")
    return [Panels(_figures(analysis)), *lines, rows, labels_seen(analysis), note]


def _figures(analysis: Analysis) -> list[list[Part]]:
    """The loss against the rate, a panel a vendor tested on."""
    title = analysis.measure.title
    panels: list[list[Part]] = []
    for vendor, rows in analysis.transfer.groupby("tested on"):
        alt = f"Transfer loss on test images of {vendor} against the rate, in {title}{analysis.measure.words(ALT)}"
        identity = f"transfer-{slug(str(vendor))}"
        drawn = to_json(plot_transfer(rows, title))
        panels.append([Figure(identity, drawn, alt, HEIGHT, f"Tested on {vendor}")])
    return panels


SECTION = Section("Transfer loss", parts)
