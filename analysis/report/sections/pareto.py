"""The report's Pareto section: the plots under their filters, how sure the front is, hypervolume."""

from html import escape

import numpy as np
import pandas as pd

from analysis.plots.common import SPLIT_WORDS, to_json
from analysis.plots.optimal import plot_optimal
from analysis.plots.pareto import plot_pareto
from analysis.read.configurations import FULL
from analysis.report.page import figure, heading, panels, paragraph, slug, table
from analysis.report.sections.tables import seen
from analysis.results.compute import Analysis

FEW = 8  # temperatures that get a box each; more get a range
NOTE = (
    "With the rate as a third objective and metric rising with it, every rate is on the front: the front pictures the "
    "trade-off, a rule chooses. Hypervolume: how much of the space above metric {chance:g}, {chance:g} (and below "
    "rate 1) the measured front dominates; its 90 % interval is of the fronts drawn from both fitted curves, for the "
    "two metrics."
)


def pareto(analysis: Analysis) -> str:
    """The Pareto plots under their filters, how often each rate is optimal, fronts and hypervolumes."""
    if not analysis.vendors:
        return ""
    measure = analysis.measure
    note = measure.words(NOTE.format(chance=measure.chance))
    return (
        _filters(analysis)
        + panels(*(_plot(analysis, vendor) for vendor in analysis.vendors))
        + seen(analysis)
        + _optimal(analysis)
        + table(_fronts(analysis), "fronts", "Fronts")
        + paragraph(note, "small")
    )


def _plot(analysis: Analysis, vendor: str) -> str:
    title = f"Trained on {vendor}"
    computed = analysis.vendors[vendor]
    split = computed.split
    if computed.configurations[f"{split}_cross_domain"].isna().all():
        why = f"{vendor}: no configuration has a cross-domain {analysis.measure.title}, so there is no front of two "
        why += f"{analysis.measure.plural} to draw."
        return heading(title) + paragraph(why)
    alt = f"In-domain against cross-domain {SPLIT_WORDS[split]} {analysis.measure.title}, trained on {vendor}: small "
    alt += "grey points are single trials, large ones configurations coloured by rate, the grey line their front, the "
    alt += "star the chosen one"
    if computed.uncertain_front is not None:
        alt += "; of the fronts drawn from both fitted curves half reach the green line, and 90 to 10 % the edges of "
        alt += "the green band"
    about = f'data-filtered="pareto-filters" data-vendor="{escape(vendor)}"'
    drawn = to_json(plot_pareto(analysis, vendor))
    return figure(f"pareto-{slug(vendor)}", drawn, f"{alt}.", 440, about, title)


def _optimal(analysis: Analysis) -> str:
    """A figure and a table a vendor with both curves; what is missing otherwise."""
    drawn, rows = [], []
    for vendor in analysis.vendors:
        found = plot_optimal(analysis, vendor)
        if found is None:
            why = f"{vendor}: fewer than two fitted curves, so how sure the front is can't be told."
            drawn.append(paragraph(why, "small"))
            continue
        alt = f"In how many draws of both fitted curves a rate is not dominated by another, trained on {vendor}."
        drawn.append(figure(f"optimal-{slug(vendor)}", to_json(found), alt, 280, "", f"Trained on {vendor}"))
        rows.append(analysis.vendors[vendor].uncertain_front.probability_optimal.assign(vendor=vendor))
    if not rows:
        return panels(*drawn)
    names = {"vendor": "trained on", "realised_rate": "rate", "two_objectives": "optimal for both metrics"}
    names["three_objectives"] = "optimal for both metrics and the rate"
    names = {column: analysis.measure.words(name) for column, name in names.items()}
    return (
        heading("How often each rate is Pareto-optimal")
        + panels(*drawn)
        + "<details><summary>As numbers</summary>"
        + table(pd.concat(rows)[list(names)].rename(columns=names), "optimal", "Probability of being Pareto-optimal")
        + "</details>"
    )


def _filters(analysis: Analysis) -> str:
    """Boxes for vendors and mask families; temperatures as boxes when few, else as a range."""
    trials = analysis.run.trials
    families = sorted(trials.loc[~trials["full"].astype(bool), "mask"].unique()) or [FULL]
    temperatures = sorted(trials.loc[~trials["full"].astype(bool), "temperature"].dropna().unique())
    sets = [_boxes("vendor", "source vendor", list(analysis.vendors)), _boxes("family", "mask family", families)]
    if 0 < len(temperatures) <= FEW:
        sets.append(_boxes("temperature", "temperature", [f"{t:g}" for t in temperatures]))
    elif temperatures:
        low, high = temperatures[0], temperatures[-1]
        sets.append(
            "<fieldset><legend>temperature</legend>"
            f'<label>from <input type="number" name="from" step="any" placeholder="{low:.3g}"></label>'
            f'<label>to <input type="number" name="to" step="any" placeholder="{high:.3g}"></label></fieldset>'
        )
    return (
        f'<form class="filters" id="pareto-filters" aria-label="Filter the trials shown">{"".join(sets)}'
        '<button type="reset">Show all</button><output class="small" aria-live="polite"></output></form>'
    )


def _boxes(name: str, legend: str, values: list[str]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="{name}" value="{escape(v)}" checked> {escape(v)}</label>' for v in values
    )
    return f"<fieldset><legend>{legend}</legend>{boxes}</fieldset>"


def _fronts(analysis: Analysis) -> pd.DataFrame:
    rows = []
    for vendor, computed in analysis.vendors.items():
        uncertain = computed.uncertain_front
        for front in computed.fronts.values():
            drawn = uncertain is not None and len(front.objectives) == 2
            ends = np.quantile(uncertain.hypervolume, [0.05, 0.5, 0.95]) if drawn else None
            rates = ", ".join(f"{rate:.3f}" for rate in front.points["realised_rate"])
            rows.append(
                {
                    "trained on": vendor,
                    "objectives": ", ".join(name.replace("_", " ") for name in front.objectives),
                    "rates on the front": rates or "none",
                    "hypervolume": front.hypervolume,
                    "of drawn fronts": None if ends is None else "{1:.3f} [{0:.3f}, {2:.3f}]".format(*ends),
                    "without a score": front.left_out,
                }
            )
    return pd.DataFrame(rows)
