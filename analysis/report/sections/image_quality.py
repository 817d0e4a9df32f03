"""The metric as images get worse, for the chosen rate and for full sampling."""

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.plots.common import to_json
from analysis.plots.robustness import plot_robustness
from analysis.read.configurations import keys_of_full, plain_name
from analysis.read.corrupted import Corrupted, load_corruptions
from analysis.report.parts import Figure, Heading, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results.compute import Analysis
from analysis.results.robustness import Robust, robust, verdict
from analysis.statistics.measures import MEASURES
from tune_ks.core.rate_words import rate_words

HEIGHT = 900  # pixels
NOT_EVALUATED = (
    "Not evaluated. python run_search.py evaluate RUN --data DIR --corruptions scores the exported models on corrupted "
    "images, without training."
)
WORDS = (
    "{corruptions} corruptions at {severities} severities (0: as it is) of images that no model was trained on; "
    "nothing was retrained. Corrupted: mean over the severities. Loses less by: how much more of the metric full "
    "sampling loses than the chosen rate, on the same patients, with its 90 % interval; "
    "below 0 the low rate is the less robust one."
)


TRAINED_FOR = (
    "Some trainings of this run saw corrupted images (style corruption: {names}). They were trained for these "
    "corruptions, so that these figures say nothing about how such a network bears an unexpected one."
)


def corruptions_trained_for(configurations: pd.DataFrame) -> set[str]:
    """The corruptions that were a style of some training."""
    if "style" not in configurations or "style.corruption" not in configurations:
        return set()
    used = configurations.loc[configurations["style"] == "corruption", "style.corruption"].dropna()
    return {str(name).replace("_", " ") for name in used}


def parts(analysis: Analysis) -> Sequence[Part]:
    """A figure and a table for each source vendor and set of corrupted images; what to type where there are none."""
    if not analysis.vendors:
        return []
    corrupted, warnings = load_corruptions(analysis.run.root)
    if not corrupted and not warnings:
        return [Paragraph(NOT_EVALUATED, "small")]
    shown: list[Part] = [Paragraph(text) for text in warnings]
    for name, vendor, comparison in comparisons(analysis, corrupted):
        title = f"{name}, trained on {vendor}"
        if comparison is None:
            why = "No comparison: the chosen rate is full sampling, or one of the two was not scored."
            shown += [Heading(title), Paragraph(why)]
        else:
            shown += _compared(comparison, vendor, title)
    trained_for = sorted(corruptions_trained_for(analysis.configurations))
    if corrupted and trained_for:
        shown.append(Paragraph(TRAINED_FOR.format(names=", ".join(trained_for))))
    if corrupted:
        shown += [labels_seen(analysis), Paragraph(analysis.measure.words(_words(corrupted)), "small")]
    return shown


def comparisons(analysis: Analysis, corrupted: list[Corrupted]) -> Iterator[tuple[str, str, Robust | None]]:
    """(set of images, source vendor, its chosen rate against full sampling); None where the set does not hold both."""
    for images in corrupted:
        for vendor, computed in analysis.vendors.items():
            chosen = computed.selection.keys
            full = keys_of_full(analysis.configurations, chosen)
            yield images.name, vendor, robust(images, vendor, list(chosen), full, computed.selection.rate)


def _compared(comparison: Robust, vendor: str, title: str) -> list[Part]:
    name = f"robustness-{slug(comparison.name)}-{slug(vendor)}"
    count = comparison.curves["corruption"].nunique()
    title_of_metric = MEASURES[comparison.metric].title
    alt = (
        f"{title_of_metric} against severity for {count} corruptions of {comparison.name}, trained on "
        f"{vendor}: "
        f"rate {rate_words(comparison.rate)} in solid lines, full sampling dotted, in-domain blue, cross-domain orange"
    )
    rows = comparison.table.assign(
        corruption=comparison.table["corruption"].map(plain_name), domain=comparison.table["domain"].map(plain_name)
    )
    return [
        Figure(name, to_json(plot_robustness(comparison)), alt, HEIGHT, title),
        Paragraph(verdict(comparison)),
        table(rows, f"{name}-table", f"{title}: what the chosen rate keeps"),
    ]


def _words(corrupted: list[Corrupted]) -> str:
    names = {name for images in corrupted for name in images.corruptions}
    severities = max(images.score.shape[2] for images in corrupted) - 1  # 0 is the image as it is
    return WORDS.format(corruptions=len(names), severities=severities)


SECTION = Section("Image quality", parts)
