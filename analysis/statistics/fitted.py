"""The scores of one source vendor's configurations on one split, smoothed along the rate, and draws of them.

A curve has constant values of everything but the rate (mask, temperature, learning rate ...), and only rates below 1:
full sampling is another procedure, without mask and mask noise, so a curve through it would smear a jump. It, and
every configuration of a curve with fewer than three rates, is drawn from its own trainings.
"""

import math
from collections.abc import Container, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.configurations import curve_of, curves
from analysis.statistics.bootstrap import Resampled, TrialDraws, average
from analysis.statistics.curve import DRAWS, Curve, fit_curve, patient_shift, rate_grid
from analysis.statistics.estimate import Estimate, estimate
from analysis.statistics.pareto import TWO
from analysis.statistics.resampling import domain_draws
from analysis.statistics.scale import from_scale, slope, to_scale
from analysis.statistics.training_noise import seeds_of, training_noise
from tune_ks.core.seeding import generator

FEWEST = 3  # rates of a curve
SLOPE = 1e-3  # least derivative of a metric by its scale


class Curves(NamedTuple):
    """The metric in both domains along one curve; None where it can't be fitted."""

    in_domain: Curve | None
    cross_domain: Curve | None


class Scores(NamedTuple):
    """One domain's metric, by configuration."""

    mean: dict[str, float]  # smoothed; without those that lie on no curve
    draws: dict[str, np.ndarray]  # (D,) with the errors of patients and trainings; without those whose error is unknown


class Fitted(NamedTuple):
    """What is known of one vendor's configurations on one split."""

    curves: dict[str, Curves]  # by the curve's name; only those of which a domain could be fitted
    in_domain: Scores
    cross_domain: Scores


NOTHING_FITTED = Fitted({}, Scores({}, {}), Scores({}, {}))  # every point stays the observed one


def fit_vendor(
    table: pd.DataFrame, trials: pd.DataFrame, draws: Mapping[str, TrialDraws], vendor: str, split: str
) -> Fitted:
    """``table``: the configurations that a rule may choose from; ``trials``: theirs, one row a training."""
    if table.empty:
        return NOTHING_FITTED
    along = _curves_with_rates(table)
    values = trials.set_index("key")
    fitted: dict[str, dict[str, Curve | None]] = {name: {} for name in along}
    scores = {}
    for domain in TWO:
        mean: dict[str, float] = {}
        drawn: dict[str, np.ndarray] = {}
        value = values[f"{split}_{domain}"]
        for name, rows in along.items():
            resampled = _resampled(rows, draws, vendor, split, domain)
            curve = _curve(rows, value, resampled, f"{vendor} {split} {domain} {name}")
            fitted[name][domain] = curve
            if curve is not None:
                rates = rows["realised_rate"].to_numpy(float)
                mean |= dict(zip(rows["configuration"], curve.at(rates).tolist()))
                if resampled is not None:
                    drawn |= dict(zip(rows["configuration"], curve.draws_at(rates).T))
        drawn |= _drawn_from_trainings(table, mean, draws, vendor, split, domain)
        scores[domain] = Scores(mean, drawn)
    known = {name: Curves(**of_name) for name, of_name in fitted.items() if any(of_name.values())}
    return Fitted(known, **scores)


def _curves_with_rates(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Name -> its configurations below rate 1, for the curves with enough rates."""
    number = curve_of(table)
    rates = table["realised_rate"].groupby(number).transform("nunique").to_numpy()
    enough = (number >= 0) & (rates >= FEWEST)
    if not enough.any():
        return {}
    named = {}
    for name, rows in curves(table).items():  # names of the whole table, so that they are those of the plots
        below = rows[~rows["full"].astype(bool)]
        if below["realised_rate"].nunique() >= FEWEST:
            named[name] = below
    return named


def _resampled(
    rows: pd.DataFrame, draws: Mapping[str, TrialDraws], vendor: str, split: str, domain: str
) -> list[Resampled] | None:
    """The metric of every training of the configurations ``rows``; None where one has none on resampled patients."""
    keys = [key for of_configuration in rows["keys"] for key in of_configuration]
    scores = [domain_draws(draws.get(key, {}), vendor, split, domain) for key in keys]
    usable = [score for score in scores if score is not None and score.patients > 1]
    return usable if len(usable) == len(scores) else None


def _curve(rows: pd.DataFrame, value: pd.Series, resampled: list[Resampled] | None, purpose: str) -> Curve | None:
    """The curve through the configurations ``rows``; ``value``: key -> metric."""
    keys = [key for of_configuration in rows["keys"] for key in of_configuration]
    rate = np.repeat(rows["realised_rate"].to_numpy(float), rows["keys"].map(len))
    bootstrap = None
    patients = math.inf
    floor = 0.0
    if resampled is not None:
        floor = min(training.floor for training in resampled)
        bootstrap = np.stack([training.draws for training in resampled], axis=1)
        patients = min(training.patients for training in resampled)
    return fit_curve(rate, value.loc[keys].to_numpy(float), bootstrap, rate_grid(rate), purpose, patients, floor)


def _drawn_from_trainings(
    table: pd.DataFrame,
    on_curves: Container[str],
    draws: Mapping[str, TrialDraws],
    vendor: str,
    split: str,
    domain: str,
) -> dict[str, np.ndarray]:
    """(DRAWS,) of the configurations that lie on no curve, those whose error is known."""
    rows = table[["configuration", "keys"]].itertuples()
    rest = [row for row in rows if row.configuration not in on_curves]
    if not rest:
        return {}
    drawn = {}
    noise = training_noise(table, draws, vendor, split, domain)
    for row in rest:
        seeds = seeds_of(row.keys, draws, vendor, split, domain)
        known = estimate(seeds, noise=noise)
        if not math.isnan(known.of_trainings):
            drawn[row.configuration] = draw(seeds, known, f"{vendor} {split} {domain} {row.configuration}")
    return drawn


def draw(seeds: list[Resampled], known: Estimate, purpose: str) -> np.ndarray:
    """(DRAWS,) of the mean of trainings: the shared draws of patients, and Student's t for the trainings."""
    moved = np.zeros(DRAWS)
    if known.of_trainings > 0:
        steepness = max(slope(known.point, known.floor), SLOPE)
        moved = generator(0, "trainings", purpose).standard_t(known.freedom, DRAWS) * known.of_trainings / steepness
    return from_scale(to_scale(draw_patients(seeds, known.patients), known.floor) + moved, known.floor)


def draw_patients(seeds: list[Resampled], patients: float) -> np.ndarray:
    """(DRAWS,) of the mean of trainings on resampled patients, paired with those of a curve."""
    drawn = np.stack([seed.draws for seed in seeds], axis=1)
    known = average(seeds)
    shift = patient_shift(drawn[:DRAWS], np.zeros(len(seeds), int), patients, known.floor)[:, 0]
    return from_scale(to_scale(known.point, known.floor) + shift, known.floor)
