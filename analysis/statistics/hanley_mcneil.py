"""Intervals of an AUC from counts alone, for results that were published without per-image scores.

Var = (A (1 - A) + (P - 1) (Q1 - A^2) + (N - 1) (Q2 - A^2)) / (P N), Q1 = A / (2 - A), Q2 = 2 A^2 / (1 + A): Hanley and
McNeil, Radiology 1982. P positives and N negatives are taken as independent, so they must count patients, not images.
"""

import math
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.read.configurations import full_sampling_of
from analysis.read.load import RunError
from analysis.statistics.bootstrap import LEVEL, t_interval
from analysis.statistics.pareto import TWO
from analysis.statistics.special import ndtri
from tune_ks.core.record import TrialRecord

FORM = "60+/60- (every vendor) or GE=60+/60-,SIEMENS=40+/40-"
NEEDS = "correlation needed"  # of two models' AUCs on the same patients


class Counts(NamedTuple):
    """Test patients with a tumour, and without one."""

    positives: int
    negatives: int


def counts_of(text: str) -> dict[str, Counts]:
    """``60+/60-`` for every vendor (under ""), or ``GE=60+/60-,SIEMENS=40+/40-``; signs say which is which.

    ValueError for anything that could be read in two ways, or for fewer than two of a class.
    """
    by_vendor: dict[str, Counts] = {}
    for part in text.split(","):
        vendor, _, numbers = part.rpartition("=")
        vendor = vendor.strip().upper()
        pair = re.fullmatch(r"\s*(\d{1,9})\s*([+-])\s*/?\s*(\d{1,9})\s*([+-])\s*", numbers)
        signed = {pair[2]: int(pair[1]), pair[4]: int(pair[3])} if pair else {}
        if len(signed) != 2:
            raise ValueError(f"write patients with a tumour as 60+ and without as 60-, as in {FORM}; got {part!r}")
        if min(signed.values()) < 2:
            raise ValueError(f"two patients of each class are the least, as in {FORM}; got {part!r}")
        if vendor in by_vendor or (by_vendor and "" in (vendor, *by_vendor)):
            raise ValueError(f"give each vendor once, or one pair for every vendor, as in {FORM}; got {text!r}")
        by_vendor[vendor] = Counts(signed["+"], signed["-"])
    return by_vendor


def standard_error(auc: float, counts: Counts) -> float:
    """Standard error of an AUC in [0, 1] measured on that many independent positives and negatives."""
    q1 = auc / (2 - auc)
    q2 = 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (counts.positives - 1) * (q1 - auc**2) + (counts.negatives - 1) * (q2 - auc**2)
    return math.sqrt(max(variance, 0.0) / (counts.positives * counts.negatives))


def count_intervals(
    table: pd.DataFrame, records: dict[str, TrialRecord], counts: dict[str, Counts], margin: float
) -> pd.DataFrame:
    """One row a configuration: ``test_DOMAIN_se/_low/_high`` and what a paired statement would need.

    ``test_DOMAIN_separates`` and ``_proves`` are the least correlation between this rate's AUC and full sampling's on
    the same patients at which their difference would leave 0, or stay above -margin, at one-sided 95 % (Hanley and
    McNeil, Radiology 1983); inf: none would do. The error is that of one training: seeds do not make it smaller, as
    they share the patients. RunError for counts of a vendor that was not scored.
    """
    scored = sorted({vendor for record in records.values() for vendor in record.test})
    unknown = sorted(set(counts) - {"", *(vendor.upper() for vendor in scored)})
    if unknown:
        raise RunError(f"--patients names {', '.join(unknown)}; scored here: {', '.join(scored) or 'no vendor'}")
    rows = {row.configuration: _counted(row, records, counts) for row in table.itertuples()}
    for row, full in zip(table.itertuples(), full_sampling_of(table)):
        if full is not None and full != row.configuration:
            rows[row.configuration] |= _needed(rows[row.configuration], rows[full], margin)
    columns = [f"test_{domain}_{name}" for domain in TWO for name in ("se", "low", "high", "separates", "proves")]
    frame = pd.DataFrame(list(rows.values()), columns=columns)
    frame.insert(0, "configuration", list(rows))
    return frame


def _counted(row: Any, records: dict[str, TrialRecord], counts: dict[str, Counts]) -> dict[str, float]:
    """One configuration (a row of the table) -> its ``test_DOMAIN``, and that one's error and interval from counts."""
    columns: dict[str, float] = {}
    for domain in TWO:
        name = f"test_{domain}"
        auc = getattr(row, name)
        error, fewest = _error(row, records, counts, domain)
        ends = t_interval(auc, error, fewest - 1)
        columns |= {name: auc, f"{name}_se": error, f"{name}_low": ends.low, f"{name}_high": ends.high}
    return columns


def _needed(rate: dict[str, float], full: dict[str, float], margin: float) -> dict[str, float]:
    """What a comparison of one configuration with full sampling would need; both as _counted() gives them."""
    columns = {}
    for domain in TWO:
        name = f"test_{domain}"
        apart = rate[name] - full[name]
        errors = rate[f"{name}_se"], full[f"{name}_se"]
        columns[f"{name}_separates"] = correlation_needed(abs(apart), *errors)
        columns[f"{name}_proves"] = correlation_needed(apart + margin, *errors)
    return columns


def correlation_needed(distance: float, first: float, second: float) -> float:
    """The least correlation of two AUCs with these standard errors at which ``distance`` exceeds their 95 % bound.

    distance = z sqrt(first^2 + second^2 - 2 r first second), solved for r in [0, 1]; inf when r = 1 is not enough.
    """
    if math.isnan(distance + first + second):
        return math.nan
    if distance <= 0:
        return math.inf
    z = ndtri((1 + LEVEL) / 2)
    least = (first**2 + second**2 - (distance / z) ** 2) / (2 * first * second)
    return math.inf if least > 1 else max(float(least), 0.0)


def _error(row: Any, records: dict[str, TrialRecord], counts: dict[str, Counts], domain: str) -> tuple[float, int]:
    """One configuration's standard error and the patients of its scarcer class; NaN where a vendor has no counts."""
    record = records[row.keys[0]]
    vendors = record.config.sources if domain == "in_domain" else record.others("test").counted
    known: dict[str, Counts] = {}
    for vendor in vendors:
        patients = counts.get(vendor.upper(), counts.get(""))
        if patients is not None:
            known[vendor] = patients
    if not vendors or len(known) < len(vendors):
        return math.nan, 0
    errors = []
    for vendor, patients in known.items():
        auc = float(np.mean([records[key].test.get(vendor, math.nan) for key in row.keys]))
        errors.append(standard_error(auc, patients))
    fewest = min(min(patients) for patients in known.values())
    return math.sqrt(sum(error**2 for error in errors)) / len(errors), fewest
