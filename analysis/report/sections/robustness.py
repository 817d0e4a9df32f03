"""The report's section on image quality: AUC as images get worse, for the chosen rate and for full sampling."""

from collections.abc import Iterator

from analysis.plots.common import to_json
from analysis.plots.robustness import plot_robustness
from analysis.read.configurations import full_sampling_of
from analysis.report.page import figure, heading, paragraph, slug, table
from analysis.report.sections.figures import seen
from analysis.results.compute import Analysis
from analysis.results.robustness import Corrupted, Robust, load_corruptions, robust, verdict

HEIGHT = 900
WORDS = (
    "Seven corruptions at five severities (0: as it is) of images that no model was trained on; nothing was retrained. "
    "Corrupted: mean over the severities. Loses less by: how much more AUC full sampling loses than the chosen rate, "
    "on the same patients, with its 90 % interval; below 0 the low rate is the less robust one."
)


def image_quality(analysis: Analysis) -> str:
    """A figure and a table for each source vendor and set of corrupted images; what to type where there are none."""
    found, warnings = load_corruptions(analysis.run.root)
    if not found and not warnings:
        return paragraph(
            "Not evaluated. python run_search.py evaluate RUN --data DIR --corruptions scores the exported models on "
            "corrupted images, without training.",
            "small",
        )
    parts = [paragraph(text) for text in warnings]
    for name, vendor, one in comparisons(analysis, found):
        if one is None:
            why = "the chosen rate is full sampling, or one of the two was not scored"
            parts.append(heading(f"{name}, trained on {vendor}") + paragraph(f"No comparison: {why}."))
        else:
            parts.append(_section(one, vendor))
    return "".join(parts) + (seen(analysis) + paragraph(WORDS, "small") if found else "")


def comparisons(analysis: Analysis, corrupted: list[Corrupted]) -> Iterator[tuple[str, str, Robust | None]]:
    """(set of images, source vendor, its chosen rate against full sampling); None where the set does not hold both."""
    for worse in corrupted:
        for vendor, computed in analysis.vendors.items():
            selection = computed.selection
            full = _full_keys(analysis, selection)
            yield worse.name, vendor, robust(worse, vendor, list(selection.keys), full, selection.rate)


def _section(found: Robust, vendor: str) -> str:
    name = f"robustness-{slug(found.name)}-{slug(vendor)}"
    alt = f"AUC against severity for seven corruptions of {found.name}, trained on {vendor}: rate {found.rate:.3g} in "
    alt += "solid lines, full sampling dotted, in-domain blue, cross-domain orange"
    title = f"{found.name}, trained on {vendor}"
    drawn = figure(name, to_json(plot_robustness(found)), alt, HEIGHT, "", title)
    frame = found.table.assign(domain=found.table["domain"].str.replace("_", "-"))
    return drawn + paragraph(verdict(found)) + table(frame, f"{name}-table", f"{title}: what the chosen rate keeps")


def _full_keys(analysis: Analysis, selection) -> list[str]:
    own = analysis.configurations
    chosen = [bool(set(keys) & set(selection.keys)) for keys in own["keys"]]
    full = [name for name, mine in zip(full_sampling_of(own), chosen) if mine and name]
    return [key for keys in own.loc[own["configuration"].isin(full), "keys"] for key in keys]
