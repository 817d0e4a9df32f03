"""Which hyperparameters moved the metrics of a sampler's trials, by Optuna's fANOVA."""

from collections.abc import Sequence

from analysis.choice.noninferior_run import sampler_of
from analysis.plots.common import to_json
from analysis.plots.parameters import plot_sampler_importance
from analysis.report.parts import Figure, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results.compute import Analysis
from analysis.results.sampler_importance import SamplerImportance, sampler_importance

BAR = 44  # pixels of a hyperparameter's two bars
FRAME = 130  # pixels around the bars: axis, ticks, legend
NOTE = (
    "The share of a validation metric's variance over the drawn space that a hyperparameter explains by itself or with "
    "others (Optuna's fANOVA), relative to the others: the shares of a metric sum to 1. A sampler asks most where it "
    "expects the best, so the trials are no even sample of the space. No interval is known."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A figure and a table a vendor, or why there is none; nothing of a grid."""
    if sampler_of(analysis.run) == "grid":
        return []
    panels: list[list[Part]] = []
    shown = False
    for vendor, computed in analysis.vendors.items():
        moved = sampler_importance(analysis.run, computed.configurations)
        if isinstance(moved, str):
            panels.append([Paragraph(f"{vendor}: no importance by Optuna: {moved}.", "small")])
            continue
        shown = True
        panels.append(_of_vendor(vendor, moved, analysis))
    if not shown:
        return [part for panel in panels for part in panel]
    return [Panels(panels), labels_seen(analysis), Paragraph(analysis.measure.words(NOTE), "small")]


def _of_vendor(vendor: str, moved: SamplerImportance, analysis: Analysis) -> list[Part]:
    alt = (
        f"The share of the variance of the validation {analysis.measure.title} that each hyperparameter explains, "
        f"trained on {vendor}: {moved.trials} configurations below full sampling, in-domain and "
        "cross-domain."
    )
    drawn = to_json(plot_sampler_importance(moved))
    height = FRAME + BAR * len(moved.table)
    rows = moved.table.rename(columns={"in_domain": "in-domain", "cross_domain": "cross-domain"})
    shown: list[Part] = [
        Figure(f"sampler-importance-{slug(vendor)}", drawn, alt, height, f"{vendor}: what the sampler drew"),
        table(rows.dropna(axis="columns", how="all"), f"sampler-importance-table-{slug(vendor)}", f"{vendor}: shares"),
    ]
    if moved.left_out:
        shown.append(Paragraph(f"Not drawn in every trial, and left out: {', '.join(moved.left_out)}.", "small"))
    return shown


SECTION = Section("Importance of what the sampler drew", parts)
