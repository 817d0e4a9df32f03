"""What the figure of a vendor's masks against the low-pass shows, as finished values."""

from typing import NamedTuple

import pandas as pd

from analysis.results.compute import Analysis
from analysis.results.rate_units import RateUnit, rate_units
from analysis.results.versus_lowpass import CHANCE
from analysis.statistics.measures import Measure


class VersusInfo(NamedTuple):
    """Differences to the low-pass at equal rate on test patients, for the models of one vendor."""

    measure: Measure
    rows: pd.DataFrame  # versus_lowpass.COLUMNS, and ``holds``: whether 0 is left out after Holm's correction
    means: pd.DataFrame  # versus_lowpass.MEANS, of families with two rates or more
    rate_units: list[RateUnit] = []  # noqa: RUF012 - read only; that the axis can switch to


def versus_info(analysis: Analysis, vendor: str) -> VersusInfo | None:
    """The values for the models trained on ``vendor``; None where nothing is compared."""
    versus = analysis.versus_lowpass
    rows = versus.rows[(versus.rows["vendor"] == vendor) & versus.rows["difference"].notna()]
    if rows.empty:
        return None
    means = versus.means[(versus.means["vendor"] == vendor) & (versus.means["rates"] > 1)]
    return VersusInfo(
        measure=analysis.measure,
        rows=rows.assign(holds=rows["holm"] < CHANCE),
        means=means,
        rate_units=rate_units(analysis.run, vendor).units,
    )
