"""How many tumours are found for how many false alarms: the FROC of a detection."""

from collections.abc import Sequence

from analysis.plots.common import to_json
from analysis.plots.froc import plot_froc
from analysis.report.parts import Figure, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, labels_seen, of_values
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.froc import froc_curves, froc_table
from tune_ks.core.rate_words import rate_words

HEIGHT = 360  # pixels
WORDS = (
    "Sensitivity on test images at 1/8 to 8 false positives an image, seeds averaged, without intervals. A tumour is "
    "found where the centre of a called candidate lies in its box. Every called candidate elsewhere is a false "
    "positive, in images with a tumour and without. A model keeps only a few candidates an image, so that its curve "
    "ends there and stays level to the right."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A figure for each source vendor and a table of all configurations; nothing where no record has candidates."""
    frame = froc_table(analysis.run.records, analysis.run.trials)
    if frame.empty:
        return []
    figures = [_figure(analysis, computed) for computed in analysis.vendors.values()]
    return [
        Panels(figures),
        labels_seen(analysis),
        table(
            frame.rename(columns=analysis.measure.domains.of), "froc", "Sensitivity at so many false positives an image"
        ),
        Paragraph(analysis.measure.words(WORDS), "small"),
    ]


def _figure(analysis: Analysis, computed: VendorAnalysis) -> list[Part]:
    """One vendor's curves; empty where nothing was chosen."""
    vendor = computed.vendor
    curves = froc_curves(analysis, vendor)
    if curves.empty:
        return []
    rate = rate_words(computed.selection.rate)
    drawn = plot_froc(curves, rate)
    alt = (
        f"Sensitivity against false positives an image, trained on {vendor}: rate {rate} in solid "
        "lines, full sampling "
        "dotted, in-domain blue, cross-domain orange."
    )
    return [Figure(f"froc-{slug(vendor)}", to_json(drawn), alt, HEIGHT, f"FROC, trained on {vendor}")]


SECTION = Section("Tumours found, and false alarms", parts, of_values)
