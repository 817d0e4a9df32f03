"""How the metric and the loss went from epoch to epoch."""

from collections.abc import Sequence

from analysis.plots.common import to_json
from analysis.plots.training import plot_training
from analysis.report.parts import Figure, Panels, Paragraph, Part, slug
from analysis.report.sections.base import Section, labels_seen
from analysis.results.compute import Analysis
from analysis.results.training_info import ENTRIES, training_info

HEIGHT = 320  # pixels
MISSING = "No record holds a history of epochs, so there is no learning curve to show."


def parts(analysis: Analysis) -> Sequence[Part]:
    """A figure for each vendor and entry of the records' histories."""
    if not analysis.vendors:
        return []
    figures = {name: _figures(analysis, name) for name in ENTRIES}
    if not any(figures.values()):
        return [Paragraph(MISSING)]
    shown: list[Part] = [Panels([[figure] for figure in of_entry]) for of_entry in figures.values()]
    if any(of_entry for name, of_entry in figures.items() if ENTRIES[name].cross_domain):
        shown.append(labels_seen(analysis))
    return shown


def _figures(analysis: Analysis, name: str) -> list[Figure]:
    """One entry of the histories: a figure a vendor with any."""
    words = analysis.measure.words(ENTRIES[name].words)
    figures = []
    for vendor in analysis.vendors:
        info = training_info(analysis, vendor, name)
        if info is None:
            continue
        alt = (
            f"{words[0].upper()}{words[1:]} by epoch, trained on {vendor}: a line a trial, coloured by "
            "rate, dashed by "
            "mask family."
        )
        identity = f"training-{name}-{slug(vendor)}"
        figures.append(Figure(identity, to_json(plot_training(info)), alt, HEIGHT, f"{vendor}: {words}"))
    return figures


SECTION = Section("Learning curves", parts)
