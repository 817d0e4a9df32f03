"""What a clinician asks: tumours found at a fixed threshold, calibration, subgroups."""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from analysis.plots.clinic import plot_operating, plot_reliability, plot_roc
from analysis.plots.common import to_json
from analysis.report.parts import Details, Figure, Heading, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, as_high_as_drawn, labels_seen, of_classes
from analysis.results.at_threshold import GIVEN
from analysis.results.clinic import Clinic, roc_of
from analysis.results.compute import Analysis
from analysis.results.subgroups import PATIENTS
from analysis.statistics.measures import Measure

OPERATING = (
    "The threshold is set once, on the source vendor's validation patients, where at most 10 % of tumour-free images "
    "lie above it, then applied to every vendor's test patients: sensitivity, and the specificity really "
    "reached there. Each seed has its own threshold; seeds are averaged. 90 % intervals are over the test patients "
    "and those who set the threshold."
)
ROC = (
    "A line a seed. The diamond is the mean of the seeds, each at the threshold that the source vendor's validation "
    "set; it lies left or right of 0.1 where scores have shifted. Bars: 90 % intervals over patients of both."
)
COUNTS = (
    "Counts of each seed at its own threshold; an image counts as positive above it. PPV and NPV of these test data."
)
PREDICTIVE = (
    "PPV: share with a tumour among those called positive; NPV: share without one among those called negative. By "
    "Bayes' rule from the seeds' mean sensitivity and specificity at the stated prevalence, which is taken as known; "
    "90 % intervals over patients. "
)
STATE_IT = "For another prevalence: python -m analysis RUN --prevalence 0.01"
RELIABILITY = (
    "Bins hold equal numbers of images; there are as many (at most 10) as leave each about 20 images and 5 of each "
    "class. Below, where each bin begins and ends: number of bins x images in each."
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
    words = analysis.measure.words
    absent = [Paragraph(text, "small") for text in clinic.absent]
    if clinic.calibration.empty:
        return absent or [Paragraph(MISSING, "small")]
    subgroups = clinic.subgroups.dropna(axis="columns", how="all")
    return [
        Heading(words("How many tumours are found, at a threshold fixed beforehand")),
        _panels(clinic.operating, _operating),
        table(
            clinic.operating, "operating", words("Sensitivity at 90 % specificity of the source vendor's validation")
        ),
        Paragraph(words(OPERATING), "small"),
        Heading("At every threshold"),
        Panels(_rocs(clinic, analysis.measure)),
        Paragraph(words(ROC), "small"),
        Heading("How often a call is right"),
        table(clinic.predictive, "predictive-values", "PPV and NPV at the threshold"),
        Paragraph(words(PREDICTIVE) + _how_to_state(clinic), "small"),
        Details("Counts of each seed", [table(clinic.confusion, "confusion"), Paragraph(COUNTS, "small")]),
        Heading("Can the probabilities be believed?"),
        _panels(clinic.reliability, partial(_reliability, measure=analysis.measure)),
        Paragraph(RELIABILITY, "small"),
        Details("As numbers", [table(clinic.reliability.rename(columns=words), "reliability")]),
        table(clinic.calibration, "calibration", "Brier score on test patients"),
        Paragraph(CALIBRATION, "small"),
        Heading("Does it hold in subgroups?"),
        table(subgroups.rename(columns=words), "subgroups", "Test AUC by subgroup"),
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
    drawn = plot_operating(rows)
    return as_high_as_drawn(f"operating-{slug(vendor)}", drawn, alt, f"Trained on {vendor}")


def _how_to_state(clinic: Clinic) -> str:
    return "" if (clinic.predictive["stated by"] == GIVEN).any() else STATE_IT


def _rocs(clinic: Clinic, measure: Measure) -> list[list[Part]]:
    """A figure for each vendor trained on and vendor scored on."""
    pairs = dict.fromkeys((curve.source, curve.vendor) for curve in clinic.roc)
    return [[_roc(clinic, source, vendor, measure)] for source, vendor in pairs]


def _roc(clinic: Clinic, source: str, vendor: str, measure: Measure) -> Figure:
    curves = roc_of(clinic, source, vendor)
    rows = clinic.operating
    rows = rows[(rows["trained on"] == source) & (rows["scored on"] == vendor)]
    alt = (
        f"Sensitivity against 1 - specificity on test images of {vendor}, trained on {source}: a line a "
        "seed, full "
        "sampling amber; diamonds at the threshold set on validation images"
    )
    points = [f"{r['rate']} {r['sensitivity']:.2f} at {1 - r['specificity']:.2f}" for r in rows.to_dict("records")]
    alt += f": {'; '.join(points)}." if points else f" are absent: it has no image without a {measure.finding}."
    drawn = to_json(plot_roc(curves, rows))
    title = f"Trained on {source}, on {vendor}"
    return Figure(f"roc-{slug(source)}-on-{slug(vendor)}", drawn, alt, 430, title)


def _reliability(vendor: str, rows: pd.DataFrame, measure: Measure) -> Figure:
    alt = (
        f"Observed share of {measure.finding} images against the predicted probability, trained on "
        f"{vendor}, by test {measure.domains.one}, with 90 % intervals of the chosen rate; full "
        "sampling dotted; on the dashed line predictions are calibrated. "
        f"Below, in the colour of the {measure.domains.one}, where each bin of equally many images begins and ends: "
        "how many bins, and images in each."
    )
    drawn = to_json(plot_reliability(rows, measure.finding))
    return Figure(f"reliability-{slug(vendor)}", drawn, alt, 460, f"Trained on {vendor}")


SECTION = Section("What a clinician asks", parts, of_classes)
