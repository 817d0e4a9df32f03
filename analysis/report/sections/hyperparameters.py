"""Which hyperparameters move the metric, and every configuration as a line over them."""

from collections.abc import Sequence

from analysis.plots.common import SPLIT_WORDS, to_json
from analysis.plots.parameters import plot_importance, plot_parallel
from analysis.report.parts import Figure, Panels, Paragraph, Part, slug
from analysis.report.sections.base import Section, labels_seen
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.importance import ENOUGH, importance
from analysis.statistics.measures import Measure

HEIGHT = 380  # pixels
BAR = 28  # pixels of a bar of importance
FRAME = 120  # pixels around the bars: axis, ticks, margins


def parts(analysis: Analysis) -> Sequence[Part]:
    """Importance by permutation on a forest, then parallel coordinates."""
    vendors = analysis.vendors.values()
    bars = [_importance(computed, analysis.measure) for computed in vendors]
    lines = [_parallel(computed, analysis.measure) for computed in vendors]
    shown: list[Part] = [Panels([[bar] for bar in bars]), Panels(lines)]
    if any(lines):
        shown.append(labels_seen(analysis))
    return shown


def _importance(computed: VendorAnalysis, measure: Measure) -> Figure | Paragraph:
    """The bars of one vendor, or why there are none."""
    vendor = computed.vendor
    table = computed.configurations
    moved = importance(table, f"{computed.split}_in_domain")
    if moved is None:
        count = int((~table["full"].astype(bool)).sum())
        why = (
            f"{vendor}: importance needs {ENOUGH} configurations below full sampling in which "
            "something besides the "
            f"rate varies; here are {count}."
        )
        return Paragraph(why, "small")
    if moved.explained <= 0:
        why = (
            f"{vendor}: a forest on {moved.configurations} configurations explains nothing of "
            "left-out ones (R² "
            f"{moved.explained:.2f}): no importance can be read from them."
        )
        return Paragraph(why, "small")
    alt = (
        f"What shuffling each hyperparameter costs in in-domain {SPLIT_WORDS[computed.split]} {measure.title}, trained "
        f"on {vendor}: {moved.configurations} configurations, R² of the forest on left-out ones "
        f"{moved.explained:.2f}."
    )
    drawn = to_json(plot_importance(moved, measure.title))
    height = FRAME + BAR * len(moved.table)
    return Figure(f"importance-{slug(vendor)}", drawn, alt, height, f"{vendor}: importance")


def _parallel(computed: VendorAnalysis, measure: Measure) -> list[Part]:
    """One vendor's parallel coordinates; empty with too few configurations."""
    vendor = computed.vendor
    drawn = plot_parallel(computed.configurations)
    if drawn is None:
        return []
    alt = (
        f"Every configuration trained on {vendor} as a line over its hyperparameters and "
        f"{measure.plural}; drag along "
        "an axis to keep a range."
    )
    attributes = {"data-webgl": "yes"}  # drawn only when the reader comes near: it takes seconds
    return [
        Figure(
            f"parallel-{slug(vendor)}",
            to_json(drawn),
            alt,
            HEIGHT,
            f"{vendor}: configurations",
            attributes,
        ),
    ]


SECTION = Section("Hyperparameters", parts)
