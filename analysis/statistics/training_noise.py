"""How far a training lies from the mean of its rate, where most rates were trained once: pooled over all rates.

Where rates were repeated, it is their scatter. Else it is the scatter of neighbouring rates of a curve: a rate's metric
less the straight line (in log rate) through its two neighbours (Gasser, Sroka and Jennen-Steinmetz, Biometrika 1986). A
bend makes that larger, never smaller. Distances that share points have less freedom. Full sampling lies on no curve.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.configurations import curve_of
from analysis.statistics.bootstrap import Resampled, TrialDraws, average
from analysis.statistics.estimate import Noise
from analysis.statistics.resampling import domain_draws
from analysis.statistics.scale import to_scale

FEWEST = 2  # squares


class Scored(NamedTuple):
    """The trainings of one configuration that were scored."""

    curve: int  # of curve_of
    rate: float
    seeds: list[Resampled]


class Squares(NamedTuple):
    """A sum of squares of normal errors whose expectation is ``number`` times the variance of one training."""

    total: float
    number: int
    spread: float  # sum of their squared correlations; ``number`` where they are independent


def training_noise(
    table: pd.DataFrame, draws: Mapping[str, TrialDraws], vendor: str, split: str, domain: str
) -> Noise | None:
    """``table``: the vendor's configurations. None where too few rates were trained to say."""
    scored = _scored(table, draws, vendor, split, domain)
    for sums in (_within_rates(scored), _between_neighbours(scored)):
        known = list(sums)
        number = sum(squares.number for squares in known)
        if number >= FEWEST:
            freedom = number**2 / sum(squares.spread for squares in known)  # Satterthwaite's
            return Noise(max(sum(squares.total for squares in known) / number, 0.0), freedom)
    return None


def _scored(table: pd.DataFrame, draws: Mapping[str, TrialDraws], vendor: str, split: str, domain: str) -> list[Scored]:
    configurations = []
    for keys, rate, curve in zip(table["keys"], table["realised_rate"], curve_of(table)):
        seeds = seeds_of(keys, draws, vendor, split, domain)
        if seeds:
            configurations.append(Scored(int(curve), rate, seeds))
    return configurations


def seeds_of(keys: list[str], draws: Mapping[str, TrialDraws], vendor: str, split: str, domain: str) -> list[Resampled]:
    """The metric of those trainings of a configuration that have one with a known error."""
    scores = [domain_draws(draws.get(key, {}), vendor, split, domain) for key in keys]
    return [score for score in scores if score is not None and np.isfinite(score.error)]


def _within_rates(configurations: list[Scored]) -> Iterator[Squares]:
    """The scatter of the seeds of each repeated rate below 1."""
    for configuration in configurations:
        seeds = configuration.seeds
        if configuration.curve < 0 or len(seeds) < 2:
            continue
        floor = seeds[0].floor
        points = to_scale([seed.point for seed in seeds], floor)
        patients = to_scale(np.stack([seed.draws for seed in seeds], axis=1), floor)
        patients = patients - patients.mean(axis=1, keepdims=True)
        number = len(seeds) - 1
        yield Squares(number * points.var(ddof=1) - _variance(patients).sum(), number, number)


def _between_neighbours(configurations: list[Scored]) -> Iterator[Squares]:
    """By curve the distances of each rate from the line through its neighbours."""
    by_curve: dict[int, list[Scored]] = {}
    for configuration in configurations:
        if configuration.curve >= 0:
            by_curve.setdefault(configuration.curve, []).append(configuration)
    for of_curve in by_curve.values():
        of_curve.sort(key=lambda configuration: configuration.rate)
        weights = off_the_line(np.log2([configuration.rate for configuration in of_curve]))
        if not len(weights):
            continue
        places = [average(configuration.seeds) for configuration in of_curve]
        floor = places[0].floor
        distance = weights @ to_scale([place.point for place in places], floor)
        patients = to_scale(np.stack([place.draws for place in places], axis=1), floor) @ weights.T
        correlations = weights @ weights.T
        total = float((distance**2).sum() - _variance(patients).sum())
        yield Squares(total, len(weights), float((correlations**2).sum()))


def off_the_line(octaves: np.ndarray) -> np.ndarray:
    """(n,) rising log rates -> (m, n) weights of distances from the line through the neighbours, of unit variance."""
    rows = []
    for here in range(1, len(octaves) - 1):
        below, at, above = octaves[here - 1 : here + 2]
        if not below < at < above:
            continue
        share = (above - at) / (above - below)
        row = np.zeros(len(octaves))
        row[here - 1 : here + 2] = share, -1, 1 - share
        rows.append(row / np.linalg.norm(row))
    return np.array(rows).reshape(-1, len(octaves))


def _variance(draws: np.ndarray) -> np.ndarray:
    """(B, n) -> (n,) over the draws that are known."""
    known = draws[np.isfinite(draws).all(axis=1)]
    return known.var(axis=0) if len(known) > 1 else np.zeros(draws.shape[1])
