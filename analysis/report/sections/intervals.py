"""The report's words on its intervals: how they were made, DeLong's beside them, and what counts alone can say."""

import math

import pandas as pd

from analysis.report.page import paragraph, table
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


def intervals(analysis: Analysis) -> str:
    """Where per-image scores are: the cross-check; where only counts are: what they allow."""
    keys = {vendor: computed.selection.keys for vendor, computed in analysis.vendors.items()}
    checked = cross_check(analysis.run, analysis.configurations, analysis.draws, keys)
    found = table(checked, "cross-check", "Standard errors: DeLong beside the clustered bootstrap")
    found += paragraph(CLUSTERED, "small") if len(checked) else ""
    counted = table(_counted(analysis), "counts-alone", "Intervals from counts alone")
    found += counted + (paragraph(COUNTED.format(margin=analysis.options.margin), "small") if counted else "")
    missing = "No per-image scores lie beside these records, so no interval was computed; with the number of test "
    missing += "patients (--patients 60+/60-) approximate ones could be."
    return found or (paragraph(missing, "small") if analysis.vendors else "")


def _counted(analysis: Analysis) -> pd.DataFrame:
    """A row a configuration and domain."""
    if analysis.from_counts.empty:
        return pd.DataFrame()
    rows = []
    known = analysis.configurations[["configuration", "vendor", "realised_rate", *(f"test_{d}" for d in TWO)]]
    for row in known.merge(analysis.from_counts, on="configuration").itertuples():
        for domain in TWO:
            name = f"test_{domain}"
            auc, error = getattr(row, name), getattr(row, f"{name}_se")
            if math.isnan(auc) or math.isnan(error):
                continue
            low, high = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
            rows.append({"trained on": row.vendor, "rate": row.realised_rate, "domain": domain.replace("_", "-")})
            rows[-1] |= {"test AUC": auc, "low": low, "high": high}
            for word, what in (("to separate", "separates"), ("to prove", "proves")):
                least = getattr(row, f"{name}_{what}")
                rows[-1][f"{NEEDS} {word}"] = math.nan if math.isinf(least) else least
    return pd.DataFrame(rows)
