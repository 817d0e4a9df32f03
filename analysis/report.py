"""report.html: one file, opens offline. Each section is a function of the Analysis."""

import math
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import sentences
from analysis.configurations import varied_fields
from analysis.gallery import Picture, gallery
from analysis.page import figure, page, paragraph, section, table
from analysis.plots import plot_curves, plot_pareto, plotly_js, to_div
from analysis.plots_masks import plot_line_masks
from analysis.png import data_uri
from analysis.selection import Selection
from analysis.study import Analysis
from tune_ks.record import write_whole


def write_report(analysis: Analysis, images: bool = True) -> Path:
    """Write RUN/report.html whole; ``images=False`` leaves every patient's image out. Returns its path."""
    sections = [one(analysis) for one in SECTIONS]
    sections.insert(IMAGES_BEFORE, pictures(analysis, images))
    title = f"Sampling rate: {analysis.run.search.get('space', analysis.run.root.name)}"
    path = analysis.run.root / "report.html"
    write_whole(path, page(title, sections, plotly_js()).encode())
    return path


def headline(analysis: Analysis) -> str:
    """The choice in words, and what to be wary of."""
    choices = [
        paragraph(sentences.chosen(s), "choice") + paragraph(sentences.whose_labels(s), "small")
        for s in analysis.selections.values()
    ]
    return section("The choice", *choices, *(paragraph(w, "warning") for w in analysis.warnings))


def choices(analysis: Analysis) -> str:
    """Every rule and family side by side, with the labels each saw."""
    rows = [_choice_row(s) for v, s in analysis.selections.items() for s in [s, *_of(analysis, v)]]
    return section("What each rule chooses", table(pd.DataFrame(rows)), paragraph(sentences.RETROSPECTIVE, "small"))


def pareto(analysis: Analysis) -> str:
    """The Pareto plot, fronts and hypervolumes."""
    if not analysis.selections:
        return ""
    rows = []
    for vendor, pair in analysis.fronts.items():
        for front in pair:
            rates = ", ".join(f"{rate:.3f}" for rate in front.points["realised_rate"])
            objectives = ", ".join(name.replace("_", " ") for name in front.objectives)
            rows.append({"trained on": vendor, "objectives": objectives, "rates on the front": rates or "none"})
            rows[-1] |= {"hypervolume": front.hypervolume, "without a score": front.left_out}
    alt = "In-domain against cross-domain AUC of every configuration, the front of both, and the chosen point."
    return section(
        "Pareto front",
        figure(to_div(plot_pareto(analysis), "pareto"), alt),
        _seen(analysis),
        table(pd.DataFrame(rows)),
        paragraph(
            "With the rate as a third objective and AUC rising with it, every rate is on the front: the front pictures "
            "the trade-off, a rule chooses. Reference point: AUC 0.5, 0.5, rate 1.",
            "small",
        ),
    )


def curves(analysis: Analysis) -> str:
    """The two curves of the source study, on test patients, and on validation patients where there are any."""
    if not analysis.selections:
        return ""
    alt = "{} AUC against the realised rate, in-domain and cross-domain, one panel a source vendor; small points are "
    alt += "single trials, bars patient-clustered 90 % intervals, dotted lines the best one-number baseline."
    parts = [figure(to_div(plot_curves(analysis, "test"), "curves-test"), alt.format("Test"))]
    if "val" in analysis.split.values():
        alt = "Validation AUC against the realised rate: the scores that a rule may read."
        parts.append(figure(to_div(plot_curves(analysis, "val"), "curves-val"), alt))
    return section("AUC against the rate", *parts, _seen(analysis))


def pictures(analysis: Analysis, images: bool = True) -> str:
    """Masks of each vendor by rate, and validation images as they leave them."""
    parts = []
    for vendor in analysis.selections:
        shown = gallery(analysis, vendor, images)
        lines = plot_line_masks(shown)
        if lines is not None:
            name = f"masks-{''.join(c for c in vendor if c.isalnum())}"
            alt = f"Inclusion probability and exported mask over k-space lines, trained on {vendor}, a row a rate."
            parts.append(figure(to_div(lines, name), alt, height=lines.layout.height))
        parts.append(_images(analysis, vendor, shown))
    if not images:
        parts.append(paragraph("Images were left out of this page on request.", "small"))
    return section("Masks, and what they leave of an image", *parts)


def baseline_table(analysis: Analysis) -> str:
    """One-number baselines of each vendor's test patients."""
    note = "What one number of the input, after the network's own scaling, tells on test patients, in its better "
    note += "direction; 90 % patient-clustered intervals. A network that is not above the best has learned nothing."
    found = table(analysis.baselines)
    return section("One-number baselines", found, paragraph(note, "small") if found else "")


def configuration_table(analysis: Analysis) -> str:
    """Every configuration, seeds averaged."""
    frame = analysis.configurations
    if frame.empty:
        return ""
    names = ["vendor", "family", *(n for n in varied_fields(frame) if n != "mask"), "sampling_rate", "realised_rate"]
    names += ["distinct_rate", "seeds", "val_in_domain", "val_cross_domain", "test_in_domain", "test_in_domain_sd"]
    names += ["test_in_domain_low", "test_in_domain_high", "test_cross_domain", "test_cross_domain_sd"]
    names += ["test_cross_domain_low", "test_cross_domain_high", "above_baseline_in_domain_low"]
    names += ["test_within_in_domain", "test_within_cross_domain", "export_gap"]
    return section("Configurations, mean over seeds", _seen(analysis), table(_present(frame, names)))


def trial_table(analysis: Analysis) -> str:
    """Every finished trial: all seeds, not the best."""
    frame = analysis.run.trials
    varied = [n for n in varied_fields(frame) if n != "mask"] if len(frame) else []
    names = ["key", "vendor", "mask", *varied, "seed", "sampling_rate", "mean_probability", "realised_rate"]
    names += ["distinct_rate", "val_in_domain", "val_cross_domain", "test_in_domain", "test_cross_domain", "epoch"]
    return section("All trials", _seen(analysis), table(_present(frame, [*names, "seconds"])))


def external_table(analysis: Analysis) -> str:
    """Other cohorts that the exported models were scored on."""
    return section("External cohorts", table(analysis.run.external))


def trouble(analysis: Analysis) -> str:
    """Failed trials, unread records, skipped files, each with its reason."""
    run = analysis.run
    unread = pd.DataFrame(list(run.unreadable.items()), columns=["record left out", "why"])
    reasons = run.skipped.groupby("reason").agg(files=("path", "size"), example=("path", "first")).reset_index()
    return section("Failed trials and skipped files", table(run.failures), table(unread), table(reasons))


def provenance(analysis: Analysis) -> str:
    """Cohort, counts, versions, command."""
    search = analysis.run.search
    if not search:
        return section("Provenance", paragraph("Unknown: this run folder has no search.json that can be read."))
    flat = pd.DataFrame([(n, v) for n, v in _flat(search) if not n.startswith("cohort.counts")], columns=["what", "is"])
    return section("Provenance", _counts(analysis.run.cohort), table(flat))


SECTIONS: list[Callable[[Analysis], str]] = [
    headline,
    pareto,
    curves,
    choices,
    baseline_table,
    configuration_table,
    trial_table,
    external_table,
    trouble,
    provenance,
]
IMAGES_BEFORE = SECTIONS.index(choices)


def _seen(analysis: Analysis) -> str:
    """Whose labels chose, wherever a cross-domain number stands."""
    lines = [f"{vendor}: {sentences.whose_labels(s)}" for vendor, s in analysis.selections.items()]
    return paragraph(" ".join(lines), "small") if lines else ""


def _of(analysis: Analysis, vendor: str) -> list[Selection]:
    return [other for other in analysis.others if other.vendor == vendor]


def _choice_row(selection: Selection) -> dict[str, Any]:
    nan = math.nan
    return {
        "trained on": selection.vendor,
        "rule": selection.rule,
        "among": selection.family,
        "labels seen": selection.saw,
        "columns read": ", ".join(selection.columns_read),
        "rate": selection.rate,
        "distinct rate": selection.values.get("distinct_rate", nan),
        "test in-domain": selection.values.get("test_in_domain", nan),
        "at full": selection.full_sampling.get("test_in_domain", nan),
        "test cross-domain": selection.values.get("test_cross_domain", nan),
        "at full ": selection.full_sampling.get("test_cross_domain", nan),
        "note": selection.note,
    }


def _images(analysis: Analysis, vendor: str, shown: list[Picture]) -> str:
    """A grid: a row a rate, a column a validation image; full images first."""
    kept = [p for p in shown if p.preview is not None and len(p.preview.row)]
    kept = [p for p in kept if p.preview.row.tolist() == kept[0].preview.row.tolist()]
    if not kept:
        return ""
    names = [_about_image(analysis.run.cohort, int(row)) for row in kept[0].preview.row]
    cells = [f"<div>trained on {escape(vendor)}</div>", *(f'<div class="small">{escape(n)}</div>' for n in names)]
    cells += ["<div>full image</div>", *(_img(i, f"{n}, full") for i, n in zip(kept[0].preview.full, names))]
    for picture in kept:
        aucs = f"in {picture.in_domain:.3f}, cross {picture.cross_domain:.3f}"
        label = f"{picture.family} {picture.rate:.3f}"
        kind = "chosen" if picture.chosen else ""
        cells.append(f'<div class="{kind}">{escape(label)}<br><span class="small">{aucs}</span></div>')
        cells += [_img(i, f"{n}, {label}") for i, n in zip(picture.preview.sampled, names)]
    columns = f"grid-template-columns: 9rem repeat({len(names)}, minmax(80px, 200px))"
    return f'<div class="scroll" tabindex="0"><div class="gallery" style="{columns}">{"".join(cells)}</div></div>'


def _img(image, alt: str) -> str:
    return f'<img src="{data_uri(image)}" alt="{escape(alt)}" loading="lazy">'


def _about_image(cohort: pd.DataFrame, row: int) -> str:
    if row not in cohort.index:
        return "validation image"
    label = cohort.loc[row, "label"]
    return f"{cohort.loc[row, 'vendor']}, tumour {'present' if label == 1 else 'absent'}"


def _counts(cohort: pd.DataFrame) -> str:
    if cohort.empty:
        return ""
    groups = cohort.groupby(["vendor", "split", "label"], dropna=False)
    return table(groups.agg(patients=("patient_id", "nunique"), images=("row", "size")).reset_index())


def _present(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The named columns that hold anything, under readable names."""
    kept = [name for name in names if name in frame and frame[name].notna().any()]
    return frame[kept].rename(columns=lambda name: name.replace("_", " "))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found
