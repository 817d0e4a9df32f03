"""A rate in other units: k_max in 1/mm, and as a share of the occupied band of k-space.

k_max is that of a low-pass with as many coefficients: rate / (2 spacing) for lines, and the radius of the disc,
2 sqrt(rate / pi) / (2 spacing), for points. A learned or random mask has lines further out; its count is the same. The
share of the band is rate / (occupied share of stored k-space): from 1 on there are as many lines as hold anything.
Both are of the vendor trained on.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.load import Run
from analysis.results.json_values import is_number
from tune_ks.core.domains import sources_of
from tune_ks.core.rate_words import rate_words

FOURIER = "fourier"  # the transform whose coefficients have a |k| in 1/mm
STEPS = (1, 2, 5)  # ticks of an axis: these times powers of ten


class RateUnit(NamedTuple):
    """value = factor x rate ** power."""

    name: str  # of a column
    button: str  # short, for a switch
    title: str  # of an axis
    factor: float
    power: float = 1.0

    def of(self, rates: pd.Series) -> pd.Series:
        """Rates in this unit."""
        return self.factor * rates**self.power

    def ticks(self, lowest: float) -> tuple[list[float], list[str]]:
        """Rates at which an axis from ``lowest`` to 1 has round values in this unit, and these values in words."""
        ends = (self.factor * lowest**self.power, self.factor)
        powers = range(math.floor(math.log10(ends[0])), math.ceil(math.log10(ends[1])) + 1)
        values = [step * 10.0**power for power in powers for step in STEPS]
        shown = [value for value in values if ends[0] * 0.88 <= value <= ends[1] * 1.12]
        return [float((value / self.factor) ** (1 / self.power)) for value in shown], [f"{value:g}" for value in shown]


class RateUnits(NamedTuple):
    """The units that are known of one vendor's trials, and why the others are not."""

    units: list[RateUnit]
    notes: list[str]


def rate_units(run: Run, vendor: str) -> RateUnits:
    """k_max in 1/mm where the pixel spacing is known, the share of the band where the records hold it."""
    trials = run.trials[run.trials["vendor"] == vendor]
    patterns = set(trials["pattern"])
    if set(trials["transform"]) != {FOURIER} or len(patterns) != 1:
        return RateUnits([], [f"{vendor}: several patterns, or no Fourier transform, so a rate is no k_max."])
    units = []
    notes = []
    spacing = _spacing_mm(run, vendor, trials)
    if spacing is None:
        notes.append(f"{vendor}: the pixel spacing is unknown, so k_max is not known in 1/mm.")
    else:
        units.append(_k_max(spacing, in_lines=patterns == {"lines"}))
        notes.append(f"{vendor}: k_max of a low-pass with as many lines or points, at {spacing:.3g} mm a pixel.")
    shares = [run.records[key].facts.get("occupied_share") for key in trials["key"]]
    known = [share for share in shares if is_number(share) and share > 0]
    if known:
        share = float(np.median(known))
        units.append(RateUnit("share_of_band", "band", "share of the occupied band", 1 / share))
        notes.append(f"{vendor}: the occupied band is {share:.0%} of stored k-space (99 % of the energy beyond DC).")
    else:
        notes.append(f"{vendor}: these records do not say how much of stored k-space is occupied.")
    return RateUnits(units, notes)


def _k_max(spacing_mm: float, in_lines: bool) -> RateUnit:
    nyquist = 1 / (2 * spacing_mm)
    title = "k_max of as many lines, 1/mm"
    if in_lines:
        return RateUnit("k_max_per_mm", "1/mm", title, nyquist)
    return RateUnit("k_max_per_mm", "1/mm", title.replace("lines", "points"), nyquist * 2 / math.sqrt(math.pi), 0.5)


def _spacing_mm(run: Run, vendor: str, trials: pd.DataFrame) -> float | None:
    """Median of the vendor's images; None where a file does not say, or trials had images of several sizes."""
    sides = {run.records[key].facts.get("side") for key in trials["key"]}
    if "spacing_mm" not in run.cohort or len(sides) != 1:
        return None
    spacing = pd.to_numeric(
        run.cohort.loc[run.cohort["vendor"].isin(sources_of(vendor)), "spacing_mm"], errors="coerce"
    )
    if spacing.empty or spacing.isna().any() or not (spacing > 0).all():
        return None
    return float(spacing.median())


def with_rate_units(run: Run, configurations: pd.DataFrame) -> pd.DataFrame:
    """The configurations with the columns k_max_per_mm and share_of_band, NaN where they are not known."""
    table = configurations.assign(k_max_per_mm=math.nan, share_of_band=math.nan)
    for vendor in configurations["vendor"].unique():
        rows = table["vendor"] == vendor
        for unit in rate_units(run, vendor).units:
            table.loc[rows, unit.name] = unit.of(table.loc[rows, "realised_rate"])
    return table


def in_units(run: Run, vendor: str, rate: float) -> str:
    """``Rate 1/4 (R = 4) of GE: k_max 0.16 1/mm, 0.53 of the occupied band.``

    "" where no unit is known, or no rate was chosen.
    """
    said = []
    for unit in rate_units(run, vendor).units:
        value = unit.factor * rate**unit.power
        said.append(f"k_max {value:.3g} 1/mm" if unit.name == "k_max_per_mm" else f"{value:.2f} of the occupied band")
    if math.isnan(rate) or not said:
        return ""
    return f"Rate {rate_words(rate)} of {vendor}: {', '.join(said)}."
