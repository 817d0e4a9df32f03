"""The report's figures with their words: Pareto plot and filters, curves, learning curves, hyperparameters."""

from html import escape

import pandas as pd

from analysis import sentences
from analysis.configurations import FULL
from analysis.importance import ENOUGH, importance
from analysis.page import figure, heading, panels, paragraph, slug, table
from analysis.plots import SPLIT_WORDS, to_json
from analysis.plots_curves import plot_curves
from analysis.plots_parameters import plot_importance, plot_parallel
from analysis.plots_pareto import plot_pareto
from analysis.plots_training import LINES, plot_training
from analysis.report_tables import curve_tables
from analysis.study import Analysis

FEW = 8  # temperatures that get a box each; more get a range


def seen(analysis: Analysis) -> str:
    """Whose labels chose, wherever a cross-domain number stands."""
    lines = [f"{vendor}: {sentences.whose_labels(s)}" for vendor, s in analysis.selections.items()]
    return paragraph(" ".join(lines), "seen")


def pareto(analysis: Analysis) -> str:
    """The Pareto plots under their filters, fronts and hypervolumes."""
    if not analysis.selections:
        return ""
    drawn = []
    for vendor in analysis.selections:
        split = SPLIT_WORDS[analysis.split[vendor]]
        own = analysis.configurations[analysis.configurations["vendor"] == vendor]
        known = own.dropna(subset=[f"{analysis.split[vendor]}_cross_domain"])
        alt = f"In-domain against cross-domain {split} AUC, trained on {vendor}: small grey points are single trials, "
        alt += "large ones configurations coloured by rate, the line their front, the star the chosen one"
        known_front = vendor in analysis.uncertain_fronts
        alt += (
            "; green lines are attained by 10, 50 and 90 % of the fronts drawn from the fitted curves."
            if known_front
            else "."
        )
        if known.empty:
            drawn.append(heading(f"Trained on {vendor}") + paragraph(_no_cross(vendor)))
            continue
        about = f'data-filtered="pareto-filters" data-vendor="{escape(vendor)}"'
        name, title = f"pareto-{slug(vendor)}", f"Trained on {vendor}"
        drawn.append(figure(name, to_json(plot_pareto(analysis, vendor)), alt, 440, about, title))
    note = "With the rate as a third objective and AUC rising with it, every rate is on the front: the front pictures "
    note += "the trade-off, a rule chooses. Hypervolume against the reference point AUC 0.5, 0.5, rate 1."
    return (
        _filters(analysis)
        + panels(*drawn)
        + seen(analysis)
        + table(_fronts(analysis), "fronts", "Fronts")
        + paragraph(note, "small")
    )


def curves(analysis: Analysis) -> str:
    """The two curves of the source study, on test patients and on validation patients, and its table."""
    if not analysis.selections:
        return ""
    parts = []
    for split in ("test", "val"):
        measured = analysis.configurations[f"{split}_in_domain"].notna().any()
        if not measured:
            parts.append(paragraph(f"No {SPLIT_WORDS[split]} AUC in these records: that curve is left out.", "small"))
            continue
        alt = f"{SPLIT_WORDS[split].capitalize()} AUC against the realised rate, trained on {{}}: blue in-domain, "
        alt += f"orange cross-domain; small points are single trials{_extras(analysis, split)}."
        shown = [
            figure(
                f"curves-{split}-{slug(v)}",
                to_json(plot_curves(analysis, v, split)),
                alt.format(v),
                480,
                "",
                f"Trained on {v}",
            )
            for v in analysis.selections
        ]
        parts.append(heading(f"On {SPLIT_WORDS[split]} patients") + panels(*shown))
    return "".join(parts) + seen(analysis) + curve_tables(analysis)


def _extras(analysis: Analysis, split: str) -> str:
    """What a curve's figure holds besides, where there is any of it."""
    if split == "val":
        return "; these are the scores that a rule may read"
    bars = analysis.configurations["test_in_domain_low"].notna().any()
    words = ", bars are patient-clustered 90 % intervals" if bars else ", no interval can be computed"
    return words + (", dotted lines the best one-number baseline" if len(analysis.baselines) else "")


def training(analysis: Analysis) -> str:
    """Learning curves from the records' histories."""
    parts = []
    for name, words in LINES.items():
        shown = []
        for vendor in analysis.selections:
            drawn = plot_training(analysis, vendor, name)
            if drawn is not None:
                alt = f"{words[0].upper()}{words[1:]} by epoch, trained on {vendor}: a line a trial, coloured by rate."
                shown.append(
                    figure(f"training-{name}-{slug(vendor)}", to_json(drawn), alt, 300, "", f"{vendor}: {words}")
                )
        parts.append(panels(*shown))
    if not any(parts):
        return paragraph("No record holds a history of epochs, so there is no learning curve to show.")
    return "".join(parts)


def hyperparameters(analysis: Analysis) -> str:
    """Importance by permutation on a forest, and parallel coordinates."""
    if not analysis.selections:
        return ""
    bars, lines = [], []
    for vendor in analysis.selections:
        own = analysis.configurations[analysis.configurations["vendor"] == vendor]
        score = f"{analysis.split[vendor]}_in_domain"
        found = importance(own, score)
        if found is None:
            why = f"{vendor}: importance needs {ENOUGH} configurations below full sampling in which something besides "
            bars.append(paragraph(f"{why}the rate varies; here are {int((~own['full'].astype(bool)).sum())}.", "small"))
        elif found.explained <= 0:
            why = f"{vendor}: a forest on {found.configurations} configurations explains nothing of left-out ones (R² "
            bars.append(paragraph(f"{why}{found.explained:.2f}): no importance can be read from them.", "small"))
        else:
            alt = f"What shuffling each hyperparameter costs in {score.replace('_', ' ')} AUC, trained on {vendor}: "
            alt += f"{found.configurations} configurations, R² of the forest on left-out ones {found.explained:.2f}."
            name = f"importance-{slug(vendor)}"
            height = 120 + 28 * len(found.table)
            bars.append(figure(name, to_json(plot_importance(found)), alt, height, "", f"Trained on {vendor}"))
        drawn = plot_parallel(own)
        if drawn is not None:
            alt = f"Every configuration trained on {vendor} as a line over its hyperparameters and AUCs; drag along an "
            alt += "axis to keep a range."
            about = 'data-webgl="yes"'
            lines.append(figure(f"parallel-{slug(vendor)}", to_json(drawn), alt, 380, about, f"Trained on {vendor}"))
    return panels(*bars) + panels(*lines) + (seen(analysis) if lines else "")


def _filters(analysis: Analysis) -> str:
    """Boxes for vendors and mask families; temperatures as boxes when few, else as a range."""
    trials = analysis.run.trials
    families = sorted(trials.loc[~trials["full"].astype(bool), "mask"].unique()) or [FULL]
    temperatures = sorted(trials.loc[~trials["full"].astype(bool), "temperature"].dropna().unique())
    sets = [_boxes("vendor", "source vendor", list(analysis.selections)), _boxes("family", "mask family", families)]
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
    for vendor, pair in analysis.fronts.items():
        for front in pair:
            rates = ", ".join(f"{rate:.3f}" for rate in front.points["realised_rate"])
            objectives = ", ".join(name.replace("_", " ") for name in front.objectives)
            rows.append({"trained on": vendor, "objectives": objectives, "rates on the front": rates or "none"})
            rows[-1] |= {"hypervolume": front.hypervolume, "without a score": front.left_out}
    return pd.DataFrame(rows)


def _no_cross(vendor: str) -> str:
    return f"{vendor}: no configuration has a cross-domain AUC, so there is no front of two AUCs to draw."
