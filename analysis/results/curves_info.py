"""What the metric against the rate of one source vendor shows, as finished values."""

from typing import Any, NamedTuple

import pandas as pd

from analysis.choice.selection import Selection
from analysis.read.configurations import curve_of, curves
from analysis.results.compute import Analysis
from analysis.results.rate_units import RateUnit, rate_units
from analysis.results.yardsticks import YardstickCurve, yardstick_curves
from analysis.statistics.baselines import best
from analysis.statistics.fitted import Curves
from analysis.statistics.measures import Measure
from tune_ks.core.domains import is_source

MANY = 6  # curves: beyond it their lines hide each other, so only the points of each mask family are shown


class ShownCurve(NamedTuple):
    """Configurations that differ in their rate only, or, where there are too many such curves, in one mask family."""

    name: str
    configurations: pd.DataFrame  # by realised rate
    joined: bool  # whether a line joins them


class BaselineLevel(NamedTuple):
    """The best baseline on one vendor's test patients."""

    vendor: str
    domain: str  # in_domain or cross_domain
    baseline: str
    value: float


class CurvesInfo(NamedTuple):
    """Metric against the realised rate on one split, in-domain and cross-domain, for the models of one vendor."""

    split: str  # val or test
    measure: Measure
    trials: pd.DataFrame
    configurations: pd.DataFrame
    curves: list[ShownCurve]
    fitted: list[Curves]  # those that could be fitted
    selection: Selection
    yardsticks: list[YardstickCurve]
    baselines: list[BaselineLevel] | None  # None where the run has none, and on validation patients
    read_by_rules: bool  # whether this is the split whose fitted means the rules read
    rate_units: list[RateUnit] = []  # noqa: RUF012 - read only; that the axis can switch to


def curves_info(analysis: Analysis, vendor: str, split: str) -> CurvesInfo:
    """The values for the curves of the models trained on ``vendor``."""
    computed = analysis.vendors[vendor]
    trials = analysis.run.trials
    yardsticks = analysis.yardsticks
    return CurvesInfo(
        split=split,
        measure=analysis.measure,
        trials=trials[trials["vendor"] == vendor],
        configurations=computed.configurations,
        curves=_shown(computed.configurations),
        fitted=list(computed.fitted[split].curves.values()),
        selection=computed.selection,
        yardsticks=yardstick_curves(yardsticks[yardsticks["vendor"] == vendor]),
        baselines=_levels(analysis.baselines, vendor) if split == "test" else None,
        read_by_rules=split == computed.split,
        rate_units=rate_units(analysis.run, vendor).units,
    )


def _shown(configurations: pd.DataFrame) -> list[ShownCurve]:
    """The curves of a vendor; of too many, the points of each mask family."""
    joined = bool(curve_of(configurations).max(initial=-1) < MANY)
    named: dict[Any, pd.DataFrame] = dict(iter(configurations.groupby("family")))
    if joined:
        named = dict(curves(configurations))
    return [ShownCurve(str(name), rows, joined) for name, rows in named.items()]


def _levels(baselines: pd.DataFrame, source: str) -> list[BaselineLevel] | None:
    """The best baseline of the source vendor, and of each other vendor."""
    if not len(baselines):
        return None
    levels = []
    for vendor in baselines["vendor"].unique():
        row = best(baselines, vendor, source)
        if row is not None:  # else only the records of another source vendor have it
            domain = "in_domain" if is_source(vendor, source) else "cross_domain"
            levels.append(BaselineLevel(str(vendor), domain, row["baseline"], row["value"]))
    return levels
