"""FROC: the sensitivity of detections at fixed numbers of false positives an image, as the records give it."""

from collections.abc import Sequence

import pandas as pd

from analysis.read.configurations import average_over_seeds, keys_of_full, plain_name, varied_fields
from analysis.results.compute import Analysis
from tune_ks.core.metrics import FALSE_POSITIVES, sensitivity_at
from tune_ks.core.record import TrialRecord, mean_of_defined

CURVES = ["sampling", "domain", "words", "false_positives", "sensitivity"]


def froc_table(records: dict[str, TrialRecord], trials: pd.DataFrame) -> pd.DataFrame:
    """One row a configuration and test vendor, seeds averaged; a column a number of false positives an image.

    Empty where no record holds them.
    """
    rows = []
    for key, record in records.items():
        for vendor in record.test:
            at = _sensitivities(record, vendor)
            if at:
                rows.append({"key": key, "test vendor": vendor, **at})
    if not rows:
        return pd.DataFrame()
    varied = [name for name in varied_fields(average_over_seeds(trials)) if name != "mask"]
    about = ["vendor", "mask", *varied, "sampling_rate", "realised_rate"]
    frame = pd.DataFrame(rows).merge(trials[["key", "configuration", "seed", *about]], on="key")
    groups = frame.groupby(["configuration", "test vendor"], sort=False)
    points = list(FALSE_POSITIVES)
    mean = groups[points].mean().join(groups[about].first()).join(groups["seed"].nunique().rename("seeds"))
    mean = mean.reset_index().sort_values([*about, "test vendor"], ignore_index=True)
    names = {name: plain_name(name) for name in about} | {"vendor": "trained on"}
    return mean[[*about, "test vendor", "seeds", *points]].rename(columns=names)


def froc_curves(analysis: Analysis, vendor: str) -> pd.DataFrame:
    """The FROC of the chosen rate and of full sampling, in-domain and cross-domain; columns CURVES."""
    chosen = analysis.vendors[vendor].selection.keys
    samplings = {"chosen": chosen, "full sampling": keys_of_full(analysis.configurations, chosen)}
    rows = []
    for sampling, keys in samplings.items():
        records = [analysis.run.records[key] for key in keys or ()]
        for words, false_positives in FALSE_POSITIVES.items():
            for domain in ("in_domain", "cross_domain"):
                value = mean_of_defined(_of_domain(record, words, domain) for record in records)
                rows.append([sampling, domain, words, false_positives, value])
    return pd.DataFrame(rows, columns=CURVES).dropna(subset="sensitivity")


def _sensitivities(record: TrialRecord, vendor: str) -> dict[str, float]:
    """Point of the curve in words -> sensitivity on one vendor; {} where the record does not hold all."""
    at = {}
    for words in FALSE_POSITIVES:
        by_vendor = record.further.get(sensitivity_at(words), {})
        if vendor in by_vendor:
            at[words] = by_vendor[vendor]
    return at if len(at) == len(FALSE_POSITIVES) else {}


def _of_domain(record: TrialRecord, words: str, domain: str) -> float:
    """One point on the source vendor, or its mean over the vendors that the cross-domain metric is over."""
    by_vendor = record.further.get(sensitivity_at(words), {})
    vendors: Sequence[str] = record.config.sources
    if domain == "cross_domain":
        vendors = record.others("test").counted
    return mean_of_defined(by_vendor[vendor] for vendor in vendors if vendor in by_vendor)
