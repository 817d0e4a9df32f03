"""Intervals of an AUC from counts alone, for results that were published without per-image scores.

Var = (A (1 - A) + (P - 1) (Q1 - A^2) + (N - 1) (Q2 - A^2)) / (P N), Q1 = A / (2 - A), Q2 = 2 A^2 / (1 + A): Hanley and
McNeil, Radiology 1982. P positives and N negatives are taken as independent: so count patients, not their images.
"""

import math
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from analysis.read.configurations import full_sampling_of
from analysis.read.load import RunError
from analysis.statistics.bootstrap import LEVEL, t_interval
from analysis.statistics.pareto import TWO
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
    found = {}
    for part in text.split(","):
        vendor, _, numbers = part.rpartition("=")
        vendor = vendor.strip().upper()
        pair = re.fullmatch(r"\s*(\d+)\s*([+-])\s*/?\s*(\d+)\s*([+-])\s*", numbers)
        signed = {pair[2]: int(pair[1]), pair[4]: int(pair[3])} if pair else {}
        if len(signed) != 2:
            raise ValueError(f"write patients with a tumour as 60+ and without as 60-, as in {FORM}; got {part!r}")
        if min(signed.values()) < 2:
            raise ValueError(f"two patients of each class are the least, as in {FORM}; got {part!r}")
        if vendor in found or (found and "" in (vendor, *found)):
            raise ValueError(f"give each vendor once, or one pair for every vendor, as in {FORM}; got {text!r}")
        found[vendor] = Counts(signed["+"], signed["-"])
    return found


def standard_error(auc: float, counts: Counts) -> float:
    """Of an AUC in [0, 1] measured on that many independent positives and negatives."""
    positives, negatives = counts
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (one - auc**2) + (negatives - 1) * (two - auc**2)
    return math.sqrt(max(spread, 0.0) / (positives * negatives))


def count_intervals(
    table: pd.DataFrame, records: dict[str, TrialRecord], counts: dict[str, Counts], margin: float
) -> pd.DataFrame:
    """One row a configuration: ``test_DOMAIN_se/_low/_high`` and what a paired statement would need.

    ``test_DOMAIN_separates`` and ``_proves`` are the least correlation between this rate's AUC and full sampling's on
    the same patients at which their difference would leave 0, or stay above -margin, at one-sided 95 % (Hanley and
    McNeil, Radiology 1983); inf: none would do. One training's error: seeds do not lessen it, as patients are shared.
    RunError for counts of a vendor that was not scored.
    """
    scored = sorted({vendor for record in records.values() for vendor in record.test})
    unknown = sorted(set(counts) - {"", *(vendor.upper() for vendor in scored)})
    if unknown:
        raise RunError(f"--patients names {', '.join(unknown)}; scored here: {', '.join(scored) or 'no vendor'}")
    errors = {row.configuration: _errors(row, records, counts) for row in table.itertuples()}
    points = table.set_index("configuration")
    rows = []
    for row, full in zip(table.itertuples(), full_sampling_of(table)):
        values = {"configuration": row.configuration}
        for domain in TWO:
            name, (error, fewest) = f"test_{domain}", errors[row.configuration][domain]
            ends = t_interval(getattr(row, name), error, fewest - 1)
            values |= {f"{name}_se": error, f"{name}_low": ends.low, f"{name}_high": ends.high}
            if full and full != row.configuration:
                apart = getattr(row, name) - points.loc[full, name]
                pair = error, errors[full][domain][0]
                values[f"{name}_separates"] = correlation_needed(abs(apart), *pair)
                values[f"{name}_proves"] = correlation_needed(apart + margin, *pair)
        rows.append(values)
    ends = [f"test_{d}_{what}" for d in TWO for what in ("se", "low", "high", "separates", "proves")]
    return pd.DataFrame(rows, columns=["configuration", *ends])


def correlation_needed(distance: float, first: float, second: float) -> float:
    """The least correlation of two AUCs with these standard errors at which ``distance`` exceeds their 95 % bound.

    distance = z sqrt(first^2 + second^2 - 2 r first second), solved for r in [0, 1]; inf when r = 1 is not enough.
    """
    if math.isnan(distance + first + second):
        return math.nan
    if distance <= 0:
        return math.inf
    z = norm.ppf((1 + LEVEL) / 2)
    least = (first**2 + second**2 - (distance / z) ** 2) / (2 * first * second)
    return math.inf if least > 1 else max(float(least), 0.0)


def _errors(row, records: dict[str, TrialRecord], counts: dict[str, Counts]) -> dict[str, tuple[float, int]]:
    """domain -> standard error and the scarcer class's patients; NaN where a vendor has no counts."""
    scored = {v: [records[key].test.get(v, math.nan) for key in row.keys] for v in records[row.keys[0]].test}
    known = {v: counts.get(v.upper(), counts.get("")) for v in scored}
    found = {}
    for domain in TWO:
        members = [v for v in scored if (v == row.vendor) == (domain == "in_domain")]
        if not members or any(known[v] is None for v in members):
            found[domain] = (math.nan, 0)
            continue
        each = [standard_error(float(np.mean(scored[v])), known[v]) for v in members]
        found[domain] = (math.sqrt(sum(e**2 for e in each)) / len(each), min(min(known[v]) for v in members))
    return found
