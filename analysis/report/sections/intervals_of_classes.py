"""How the intervals of an AUC were made, DeLong's standard errors beside them, and what counts alone can say."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, of_classes
from analysis.results.compute import Analysis
from analysis.statistics.delong import cross_check
from analysis.statistics.hanley_mcneil import NEEDS
from analysis.statistics.pareto import TWO

CLUSTERED = (
    "Every 90 % interval of this page is by resampling patients, never images, but where it says otherwise. Standard "
    "errors of test AUCs by two ways. DeLong's takes images for independent; the clustered bootstrap, which "
    "all intervals here use, does not. A ratio above 1 is what ignoring patients would have hidden; where every "
    "patient has one image the two agree."
)
COUNTED = (
    "From counts alone (Hanley and McNeil): one training, patients of each class taken as independent. Without "
    "per-image scores the difference to full sampling has no interval; it would have one only under an assumed "
    "correlation of the two AUCs on the same patients, so the least correlation that would do is given: to tell the "
    "difference from 0, and to show a loss of at most {margin:g}, at one-sided 95 %. A dash in place of either: no "
    "correlation would do."
)
MISSING = (
    "No per-image scores lie beside these records, so no interval was computed; with the number of test patients "
    "(--patients 60+/60-) approximate ones could be."
)
CORRELATIONS = {"to separate": "separates", "to prove": "proves"}  # words -> the end of a column of from_counts


def parts(analysis: Analysis) -> Sequence[Part]:
    """Where per-image scores are: DeLong beside the bootstrap; where only counts are: what they allow."""
    keys = {vendor: computed.selection.keys for vendor, computed in analysis.vendors.items()}
    checked = cross_check(analysis.run, analysis.configurations, analysis.draws, keys)
    counted = _counted(analysis)
    shown: list[Part] = []
    if len(checked):
        shown.append(table(checked, "cross-check", "Standard errors: DeLong beside the clustered bootstrap"))
        shown.append(Paragraph(CLUSTERED, "small"))
    if len(counted):
        shown.append(table(counted, "counts-alone", "Intervals from counts alone"))
        shown.append(Paragraph(COUNTED.format(margin=analysis.options.margin), "small"))
    if not shown and analysis.vendors:
        shown.append(Paragraph(MISSING, "small"))
    return shown


def _counted(analysis: Analysis) -> pd.DataFrame:
    """A row a configuration and domain that the counts give an interval of."""
    if analysis.from_counts.empty:
        return pd.DataFrame()
    scores = analysis.configurations[["configuration", "vendor", "realised_rate", *(f"test_{d}" for d in TWO)]]
    joined = scores.merge(analysis.from_counts, on="configuration").to_dict("records")
    rows = [_counted_row(row, domain) for row, domain in product(joined, TWO)]
    return pd.DataFrame([row for row in rows if row is not None])


def _counted_row(row: dict[str, Any], domain: str) -> dict[str, Any] | None:
    """One AUC with its interval, and the correlations that would do; None where one of them is not known."""
    name = f"test_{domain}"
    if math.isnan(row[name]) or math.isnan(row[f"{name}_se"]):
        return None
    counted = {
        "trained on": row["vendor"],
        "rate": row["realised_rate"],
        "domain": domain.replace("_", "-"),
        "test AUC": row[name],
        "low": row[f"{name}_low"],
        "high": row[f"{name}_high"],
    }
    for words, end in CORRELATIONS.items():
        least = row[f"{name}_{end}"]
        counted[f"{NEEDS} {words}"] = math.nan if math.isinf(least) else least
    return counted


SECTION = Section("How the intervals were made", parts, of_classes)
