"""Cells of differences between trainings on the same patients, with their intervals."""

import pandas as pd

from analysis.read.configurations import average_over_seeds
from analysis.read.load import Run
from analysis.results.versus_lowpass import versus_lowpass
from analysis.results.yardsticks import noise_of
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.estimate import Estimate, estimate
from analysis.statistics.resampling import domain_draws
from analysis.statistics.training_noise import seeds_of

DOMAINS = ("in_domain", "cross_domain")
Draws = dict[str, TrialDraws]  # key of a trial -> (split, vendor) -> resampled metric


def with_interval(known: Estimate | None, form: str = ".3f", difference: bool = False) -> str:
    """Value [low, high]; a difference is bold where 0 lies outside. Empty where there is none."""
    if known is None:
        return ""
    low, high = known.interval()
    text = f"{known.point:{form}} [{low:{form}}, {high:{form}}]"
    return f"**{text}**" if difference and (low > 0 or high < 0) else text


def differences(keys: list[str], others: list[str], draws: Draws, vendor: str) -> list[str]:
    """Trials minus other trials on the same patients, in-domain and cross-domain; empty cells without either."""
    cells = []
    for domain in DOMAINS:
        mine, theirs = (seeds_of(side, draws, vendor, "test", domain) for side in (keys, others))
        cells.append(with_interval(estimate(mine, theirs), "+.3f", difference=True) if mine and theirs else "")
    return cells


def score_cells(trials: pd.DataFrame, draws: Draws, vendor: str) -> list[str]:
    """For either domain the mean over seeds with its interval, and every seed."""
    cells = []
    for domain in DOMAINS:
        mine = seeds_of(trials["key"].tolist(), draws, vendor, "test", domain)
        cells.append(with_interval(estimate(mine) if mine else None))
        cells.append(" ".join(f"{value:.3f}" for value in trials[f"test_{domain}"]))
    return cells


def versus_low_pass(run: Run, draws: Draws) -> pd.DataFrame:
    """Every mask family minus the low-pass at equal rate, by domain, as in the report: versus_lowpass.COLUMNS."""
    configurations = average_over_seeds(run.trials)
    return versus_lowpass(configurations, draws, noise_of(configurations, draws)).rows


def against_low_pass(versus: pd.DataFrame, vendor: str, mask: str, rate: float) -> list[str]:
    """Of one family and rate, in-domain and cross-domain; empty for the low-pass itself and where it is absent."""
    rows = versus[(versus["vendor"] == vendor) & (versus["family"] == mask) & (versus["sampling_rate"] == rate)]
    cells = []
    for domain in DOMAINS:
        of_domain = rows[rows["domain"] == domain]
        cells.append(signed(of_domain.iloc[0]) if len(of_domain) else "")
    return cells


def signed(row: pd.Series) -> str:
    """A difference [low, high], bold where 0 lies outside."""
    text = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    return f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text


def distances(keys: list[str], fixed: TrialDraws, draws: Draws, vendor: str) -> list[str]:
    """Trials minus a score that no training moves, in-domain and cross-domain; empty cells without either."""
    cells = []
    for domain in DOMAINS:
        mine = seeds_of(keys, draws, vendor, "test", domain)
        other = domain_draws(fixed, vendor, "test", domain)
        known = estimate([seed - other for seed in mine]) if mine and other is not None else None
        cells.append(with_interval(known, "+.3f", difference=True))
    return cells
