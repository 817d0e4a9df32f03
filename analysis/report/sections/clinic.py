"""What a clinician asks: tumours found at a fixed threshold, calibration, subgroups."""

from collections.abc import Callable, Sequence

import pandas as pd

from analysis.plots.clinic import plot_operating, plot_reliability
from analysis.plots.common import to_json
from analysis.report.parts import Figure, Heading, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, labels_seen, of_classes
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
MISSING = "No per-image test scores of two classes, so none of this can be computed."


def parts(analysis: Analysis) -> Sequence[Part]:
    """Sensitivity at a fixed threshold, calibration, subgroups; what could not be computed is said."""
    if not analysis.vendors:
        return []
    clinic = analysis.clinic
    absent = [Paragraph(text, "small") for text in clinic.absent]
    if clinic.calibration.empty:
        return absent or [Paragraph(MISSING, "small")]
    subgroups = clinic.subgroups.dropna(axis="columns", how="all")
    return [
        Heading("How many tumours are found, at a threshold fixed beforehand"),
        _panels(clinic.operating, _operating),
        table(clinic.operating, "operating", "Sensitivity at 90 % specificity of the source vendor's validation"),
        Paragraph(OPERATING, "small"),
        Heading("Can the probabilities be believed?"),
        _panels(clinic.reliability, _reliability),
        table(clinic.calibration, "calibration", "Brier score on test patients"),
        Paragraph(CALIBRATION, "small"),
        Heading("Does it hold in subgroups?"),
        table(subgroups, "subgroups", "Test AUC by subgroup"),
        Paragraph(SUBGROUPS, "small"),
        *absent,
        labels_seen(analysis),
    ]


def _panels(rows: pd.DataFrame, figure: Callable[[str, pd.DataFrame], Figure]) -> Panels:
    """A panel for each vendor trained on; ``figure`` draws the rows of one."""
    return Panels([[figure(vendor, of_vendor)] for vendor, of_vendor in rows.groupby("trained on", sort=False)])


def _operating(vendor: str, rows: pd.DataFrame) -> Figure:
    reached = [
        f"on {row['scored on']}, {row['rate']}: sensitivity {row['sensitivity']:.2f}, "
        f"specificity {row['specificity']:.2f}"
        for row in rows.to_dict("records")
    ]
    listed = "; ".join(reached)
    alt = f"Sensitivity and specificity on test patients, trained on {vendor}, with 90 % intervals; {listed}."
    drawn = to_json(plot_operating(rows))
    return Figure(f"operating-{slug(vendor)}", drawn, alt, 330, f"Trained on {vendor}")


def _reliability(vendor: str, rows: pd.DataFrame) -> Figure:
    alt = (
        f"Observed share of tumour images against the predicted probability, trained on {vendor}, by test vendor, with "
        "90 % intervals of the chosen rate; full sampling dotted; on the dashed line predictions are calibrated. The "
        "bars count images in each tenth."
    )
    drawn = to_json(plot_reliability(rows))
    return Figure(f"reliability-{slug(vendor)}", drawn, alt, 460, f"Trained on {vendor}")


SECTION = Section("What a clinician asks", parts, of_classes)
