"""Does a mask beat the obvious? Harmonisation, styles and masks against plain full sampling: words, figure, tables."""

from collections.abc import Sequence

from analysis.plots.comparators import plot_comparators
from analysis.report.parts import Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, as_high_as_drawn, labels_seen
from analysis.results import comparators
from analysis.results.compute import Analysis
from analysis.results.sentences import DOMAINS
from analysis.results.versus_lowpass import CHANCE

HOW = (
    "Every comparator and every mask minus full sampling without any of them, all else equal, on the same test "
    "patients; 90 % intervals over patients and seeds (of one seed on a side over patients only, about these "
    "trainings). Harmonised: each image is made like the training images before it is sampled. Styles and MixStyle "
    "change training images only. less: by how much the transfer loss is smaller than at plain full sampling. That "
    "loss is the test metric of models trained on the vendor tested on, minus that of models trained on the other, on "
    "the same images; it also shrinks where the first get worse, so read it beside the metrics. p, Holm: adjusted for "
    "all losses (or all metrics) of this run; below {level:g} it holds though so many were looked at."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """Sentences, a figure a vendor, and both tables; nothing where the run holds no comparator."""
    compared = analysis.comparators
    if compared.rows.empty:
        return []
    title = analysis.measure.title
    lines = [Paragraph(line) for line in comparators.lines(compared, title)]
    panels = [_figure(analysis, str(vendor)) for vendor in compared.rows["vendor"].unique()]
    rows = compared.rows.assign(domain=compared.rows["domain"].map(DOMAINS))
    rows = rows.rename(columns={"vendor": "trained on", "value": title, "p_value": "p", "holm": "p, Holm"})
    losses = compared.losses.rename(columns={"p_value": "p", "holm": "p, Holm"})
    return [
        *lines,
        Panels(panels),
        labels_seen(analysis),
        table(losses, "comparators-losses", "Transfer loss on the same images"),
        table(rows, "comparators-metrics", f"Minus plain full sampling, test {title}"),
        Paragraph(analysis.measure.words(HOW).format(level=CHANCE), "small"),
    ]


def _figure(analysis: Analysis, vendor: str) -> list[Part]:
    alt = (
        f"Comparators and masks minus plain full sampling, test {analysis.measure.title}, trained on "
        f"{vendor}: right "
        "of 0 is better; blue in-domain, orange cross-domain, grey by how much the transfer loss shrinks; bars are "
        "90 % intervals, filled symbols hold after Holm's correction."
    )
    drawn = plot_comparators(analysis.comparators, vendor, analysis.measure)
    return [as_high_as_drawn(f"comparators-{slug(vendor)}", drawn, alt, f"Trained on {vendor}")]


SECTION = Section("Does a mask beat the obvious?", parts)
