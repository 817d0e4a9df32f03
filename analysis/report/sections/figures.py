"""The report's figures with their words: curves, learning curves, hyperparameters."""

from analysis.plots.common import SPLIT_WORDS, to_json
from analysis.plots.curves import plot_curves
from analysis.plots.parameters import plot_importance, plot_parallel
from analysis.plots.training import LINES, plot_training
from analysis.report.page import figure, heading, panels, paragraph, slug
from analysis.report.sections.source_table import source_table
from analysis.report.sections.tables import seen
from analysis.results.compute import Analysis
from analysis.results.importance import ENOUGH, importance


def curves(analysis: Analysis) -> str:
    """The two curves of the source study, on test patients and on validation patients, and its table."""
    if not analysis.vendors:
        return ""
    parts, title = [], analysis.measure.title
    for split in ("test", "val"):
        measured = analysis.configurations[f"{split}_in_domain"].notna().any()
        if not measured:
            parts.append(
                paragraph(f"No {SPLIT_WORDS[split]} {title} in these records: that curve is left out.", "small")
            )
            continue
        alt = f"{SPLIT_WORDS[split].capitalize()} {title} against the realised rate, trained on {{}}: blue in-domain, "
        alt += f"orange cross-domain (a hair to the right); small points are single trials{_extras(analysis, split)}."
        shown = [
            figure(
                f"curves-{split}-{slug(v)}",
                to_json(plot_curves(analysis, v, split)),
                alt.format(v),
                480,
                "",
                f"Trained on {v}",
            )
            for v in analysis.vendors
        ]
        parts.append(heading(f"On {SPLIT_WORDS[split]} patients") + panels(*shown))
    return "".join(parts) + seen(analysis) + source_table(analysis)


def _extras(analysis: Analysis, split: str) -> str:
    """What a curve's figure holds besides, where there is any of it."""
    if split == "val":
        return "; these are the scores that a rule may read"
    bars = analysis.configurations["test_in_domain_low"].notna().any()
    words = ", bars are 90 % intervals" if bars else ", no interval can be computed"
    return words + (f", dotted lines the {analysis.measure.yardstick.name}" if len(analysis.baselines) else "")


def training(analysis: Analysis) -> str:
    """Learning curves from the records' histories."""
    parts = []
    for name, line in LINES.items():
        shown, words = [], analysis.measure.words(line)
        for vendor in analysis.vendors:
            drawn = plot_training(analysis, vendor, name)
            if drawn is not None:
                alt = f"{words[0].upper()}{words[1:]} by epoch, trained on {vendor}: a line a trial, coloured by rate."
                shown.append(
                    figure(f"training-{name}-{slug(vendor)}", to_json(drawn), alt, 300, "", f"{vendor}: {words}")
                )
        parts.append(panels(*shown))
    if not any(parts):
        return paragraph("No record holds a history of epochs, so there is no learning curve to show.")
    crossed = any(name == "val_cross_domain" and part for name, part in zip(LINES, parts))
    return "".join(parts) + (seen(analysis) if crossed else "")


def hyperparameters(analysis: Analysis) -> str:
    """Importance by permutation on a forest, and parallel coordinates."""
    if not analysis.vendors:
        return ""
    bars, lines, measure = [], [], analysis.measure
    for vendor in analysis.vendors:
        own = analysis.vendors[vendor].configurations
        split = analysis.vendors[vendor].split
        found = importance(own, f"{split}_in_domain")
        if found is None:
            why = f"{vendor}: importance needs {ENOUGH} configurations below full sampling in which something besides "
            bars.append(paragraph(f"{why}the rate varies; here are {int((~own['full'].astype(bool)).sum())}.", "small"))
        elif found.explained <= 0:
            why = f"{vendor}: a forest on {found.configurations} configurations explains nothing of left-out ones (R² "
            bars.append(paragraph(f"{why}{found.explained:.2f}): no importance can be read from them.", "small"))
        else:
            what = f"in-domain {SPLIT_WORDS[split]} {measure.title}"
            alt = f"What shuffling each hyperparameter costs in {what}, trained on {vendor}: {found.configurations} "
            alt += f"configurations, R² of the forest on left-out ones {found.explained:.2f}."
            name = f"importance-{slug(vendor)}"
            height = 120 + 28 * len(found.table)
            bars.append(
                figure(name, to_json(plot_importance(found, measure.title)), alt, height, "", f"{vendor}: importance")
            )
        drawn = plot_parallel(own)
        if drawn is not None:
            alt = f"Every configuration trained on {vendor} as a line over its hyperparameters and "
            alt += f"{measure.plural}; drag along an axis to keep a range."
            about = 'data-webgl="yes"'
            lines.append(
                figure(f"parallel-{slug(vendor)}", to_json(drawn), alt, 380, about, f"{vendor}: configurations")
            )
    return panels(*bars) + panels(*lines) + (seen(analysis) if lines else "")
