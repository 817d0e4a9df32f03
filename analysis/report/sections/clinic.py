"""The report's answers to what a clinician asks: figures and tables of each choice beside full sampling."""

import pandas as pd

from analysis.plots.clinic import plot_operating, plot_reliability
from analysis.plots.common import to_json
from analysis.report.page import figure, heading, panels, paragraph, slug, table
from analysis.results import sentences
from analysis.results.compute import Analysis
from analysis.results.subgroups import PATIENTS

OPERATING = (
    "The threshold is set once, on the source vendor's validation patients, where at most 10 % of tumour-free images "
    "lie above it, then applied to every vendor's test patients: sensitivity, and the specificity really "
    "reached there. Each seed has its own threshold; seeds are averaged. 90 % intervals are of the test patients and "
    "take the threshold as fixed."
)
CALIBRATION = (
    "Brier: mean squared error of the predicted probability (0 is perfect), beside that of always predicting the "
    "prevalence of these same test images: a model above it is worse than knowing the prevalence."
)
SUBGROUPS = (
    "AUC inside each group of test images, seeds averaged; patient-clustered 90 % intervals. Patients are counted by "
    f"class; too few: fewer than {PATIENTS} of a class, where no interval is shown to hold."
)


def clinician(analysis: Analysis) -> str:
    """Sensitivity at a fixed threshold, calibration, subgroups; what could not be computed is said."""
    found = analysis.clinic
    if not analysis.vendors:
        return ""
    missing = "".join(paragraph(text, "small") for text in found.absent)
    if found.calibration.empty:
        return missing or paragraph(
            "No per-image test scores of two classes, so none of this can be computed.", "small"
        )
    seen = [
        f"{vendor}: {sentences.whose_labels(computed.selection, analysis.measure)}"
        for vendor, computed in analysis.vendors.items()
    ]
    return (
        heading("How many tumours are found, at a threshold fixed beforehand")
        + panels(*_figures(found.operating, "operating", plot_operating, _operating_words, 330))
        + table(found.operating, "operating", "Sensitivity at 90 % specificity of the source vendor's validation")
        + paragraph(OPERATING, "small")
        + heading("Can the probabilities be believed?")
        + panels(*_figures(found.reliability, "reliability", plot_reliability, _reliability_words, 460))
        + table(found.calibration, "calibration", "Brier score on test patients")
        + paragraph(CALIBRATION, "small")
        + heading("Does it hold in subgroups?")
        + table(found.subgroups.dropna(axis="columns", how="all"), "subgroups", "Test AUC by subgroup")
        + paragraph(SUBGROUPS, "small")
        + missing
        + paragraph(" ".join(seen), "seen")
    )


def _figures(rows: pd.DataFrame, name: str, plot, words, height: int) -> list[str]:
    found = []
    for vendor, part in rows.groupby("trained on", sort=False):
        drawn = to_json(plot(part))
        found.append(figure(f"{name}-{slug(vendor)}", drawn, words(vendor, part), height, "", f"Trained on {vendor}"))
    return found


def _operating_words(vendor: str, rows: pd.DataFrame) -> str:
    each = [
        f"on {row['scored on']}, {row['rate']}: sensitivity {row['sensitivity']:.2f}, "
        f"specificity {row['specificity']:.2f}"
        for _, row in rows.iterrows()
    ]
    return f"Sensitivity and specificity on test patients, trained on {vendor}, with 90 % intervals; {'; '.join(each)}."


def _reliability_words(vendor: str, rows: pd.DataFrame) -> str:
    return (
        f"Observed share of tumour images against the predicted probability, trained on {vendor}, by test vendor, with "
        "90 % intervals of the chosen rate; full sampling dotted; on the dashed line predictions are calibrated. The "
        "bars count images in each tenth."
    )
