"""The Pareto plots and their filters, how sure the front is, and its hypervolume."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from analysis.plots.common import SPLIT_WORDS, to_json
from analysis.plots.pareto import OBJECTIVES, plot_optimal, plot_pareto
from analysis.read.configurations import FULL
from analysis.report.parts import Details, Figure, Heading, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.pareto_info import pareto_info
from analysis.results.rate_units import rate_units
from analysis.results.sentences import DOMAINS
from analysis.statistics.measures import Measure
from analysis.statistics.pareto import ParetoFront
from analysis.statistics.uncertain_front import UncertainFront
from tune_ks.core.rate_words import rate_tick

FEW = 8  # temperatures that get a box each; more get a range
HEIGHT = 400  # pixels
ENTRY = 20  # pixels of a further mask family in the legend
OPTIMAL_HEIGHT = 320
FILTERS = "pareto-filters"  # id of the form, which the page's script looks up
NOTE = (
    "With the rate as a third objective and metric rising with it, every rate is on the front: the front pictures the "
    "trade-off, a rule chooses. Hypervolume: how much of the space above metric {chance:g}, {chance:g} (and below "
    "rate 1) the measured front dominates; its 90 % interval is of the fronts drawn from both metrics, for the "
    "two metrics."
)


class Boxes(NamedTuple):
    """A filter with a box for each value."""

    name: str
    legend: str
    choices: Sequence[str]


@dataclass(frozen=True)
class Filters:
    """The form above the plots; ``temperature_range`` is the lowest and highest where there are too many for boxes."""

    boxes: Sequence[Boxes]
    temperature_range: tuple[float, float] | None
    name: str = FILTERS
    template: ClassVar[str] = "filters.html"


def parts(analysis: Analysis) -> Sequence[Part]:
    """How often each rate is optimal, fronts and hypervolumes; the plots themselves are on the first screen."""
    if not analysis.vendors:
        return []
    measure = analysis.measure
    return [
        labels_seen(analysis),
        *_optimal(analysis),
        table(_fronts(analysis), "fronts", "Fronts"),
        Paragraph(measure.words(NOTE.format(chance=measure.chance)), "small"),
    ]


def filters(analysis: Analysis) -> Filters:
    """Boxes for vendors and mask families; temperatures as boxes when few, else as a range."""
    trials = analysis.run.trials
    below = trials[~trials["full"].astype(bool)]
    families = sorted(below["mask"].unique()) or [FULL]
    temperatures = sorted(below["temperature"].dropna().unique())
    boxes = [
        Boxes("vendor", analysis.measure.words("source vendor"), list(analysis.vendors)),
        Boxes("family", "mask family", families),
    ]
    if len(temperatures) > FEW:
        return Filters(boxes, (temperatures[0], temperatures[-1]))
    if temperatures:
        boxes.append(Boxes("temperature", "temperature", [f"{value:g}" for value in temperatures]))
    return Filters(boxes, None)


def figure(analysis: Analysis, computed: VendorAnalysis, title: str) -> Part:
    """One vendor's plot, or why there is none."""
    vendor = computed.vendor
    split = computed.split
    measure = analysis.measure
    if computed.configurations[f"{split}_cross_domain"].isna().all():
        why = (
            f"{vendor}: no configuration has a cross-domain {measure.title}, so there is no front of two "
            f"{measure.plural} to draw."
        )
        return Paragraph(why)
    alt = (
        f"In-domain against cross-domain {SPLIT_WORDS[split]} {measure.title}, trained on {vendor}: "
        "small grey points "
        "are single trials, large ones configurations coloured by rate, the grey line their front, the star the chosen "
        "one"
    )
    if computed.uncertain_front is not None:
        alt += (
            f"; of the fronts drawn from both {measure.plural} half reach the green line, and 90 to 10 % the edges of "
            "the green band"
        )
    attributes = {"data-filtered": FILTERS, "data-vendor": vendor}
    drawn = to_json(plot_pareto(pareto_info(analysis, vendor)))
    height = HEIGHT + ENTRY * max(computed.configurations["family"].nunique() - 3, 0)
    return Figure(f"pareto-{slug(vendor)}", drawn, f"{alt}.", height, title, attributes)


def _optimal(analysis: Analysis) -> list[Part]:
    """How often each rate is Pareto-optimal: a figure for each vendor with both curves, and their numbers."""
    measure = analysis.measure
    panels: list[list[Part]] = []
    tables = []
    for vendor, computed in analysis.vendors.items():
        uncertain = computed.uncertain_front
        if uncertain is None:
            why = (
                f"{vendor}: how far a further training would differ is not known in both domains, "
                "so how sure the "
                "front is can't be told."
            )
            panels.append([Paragraph(why, "small")])
            continue
        alt = f"In how many draws of both {measure.plural} a rate is not dominated by another, trained on {vendor}."
        drawn = to_json(plot_optimal(uncertain, measure, rate_units(analysis.run, vendor).units))
        panels.append([Figure(f"optimal-{slug(vendor)}", drawn, alt, OPTIMAL_HEIGHT, f"Trained on {vendor}")])
        tables.append(_optimal_table(vendor, uncertain, measure))
    if not tables:
        return [Panels(panels)]
    numbers = table(pd.concat(tables), "optimal", "Probability of being Pareto-optimal")
    return [Heading("How often each rate is Pareto-optimal"), Panels(panels), Details("As numbers", [numbers])]


def _optimal_table(vendor: str, uncertain: UncertainFront, measure: Measure) -> pd.DataFrame:
    optimal = uncertain.probability_optimal
    columns = {"trained on": [vendor] * len(optimal), "rate": optimal["realised_rate"].tolist()}
    for name, objectives in OBJECTIVES.items():
        columns[f"optimal for {measure.words(objectives.words)}"] = optimal[name].tolist()
    return pd.DataFrame(columns)


def _fronts(analysis: Analysis) -> pd.DataFrame:
    """A row a vendor and set of objectives."""
    rows = []
    for computed in analysis.vendors.values():
        fronts = computed.fronts
        rows.append(_front_row(computed.vendor, fronts["two_objectives"], computed.uncertain_front))
        rows.append(_front_row(computed.vendor, fronts["three_objectives"], None))
    return pd.DataFrame(rows)


def _front_row(vendor: str, front: ParetoFront, uncertain: UncertainFront | None) -> dict[str, Any]:
    """``uncertain``: the fronts drawn from the fitted curves, of the same objectives."""
    drawn = None
    if uncertain is not None:
        low, middle, high = np.quantile(uncertain.hypervolume, [0.05, 0.5, 0.95])
        drawn = f"{middle:.3f} [{low:.3f}, {high:.3f}]"
    rates = dict.fromkeys(rate_tick(rate) for rate in front.points["realised_rate"])  # once, however many settings
    return {
        "trained on": vendor,
        "objectives": ", ".join(DOMAINS.get(name, name.replace("_", " ")) for name in front.objectives),
        "rates on the front": ", ".join(rates) or "none",
        "hypervolume": front.hypervolume,
        "of drawn fronts": drawn,
        "without a score": front.left_out,
    }


SECTION = Section("How sure the Pareto front is", parts)
