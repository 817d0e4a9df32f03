"""How far a training lies from the mean of its rate, where most rates were trained once: pooled over all rates.

Where rates were repeated, it is their scatter. Else it is the scatter of neighbouring rates of a curve: a rate's metric
less the straight line (in log rate) through its two neighbours (Gasser, Sroka and Jennen-Steinmetz, Biometrika 1986). A
bend of the curve makes that larger, never smaller. Full sampling is a point of no curve.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logit

from analysis.read.configurations import curve_of
from analysis.statistics.bootstrap import Resampled, TrialDraws, average
from analysis.statistics.estimate import Noise
from analysis.statistics.resampling import domain_draws

EDGE = 1e-3  # a metric nearer to 0 or 1 than this is moved here: its logit would be infinite
FEWEST = 2  # degrees of freedom


class Scored(NamedTuple):
    """The trainings of one configuration that were scored."""

    curve: int  # of curve_of
    rate: float
    seeds: list[Resampled]


class Square(NamedTuple):
    """A sum of squares whose expectation is ``freedom`` times the variance of one training."""

    total: float
    freedom: int


def training_noise(
    table: pd.DataFrame, draws: Mapping[str, TrialDraws], vendor: str, split: str, domain: str
) -> Noise | None:
    """``table``: the vendor's configurations. None where too few rates were trained to say."""
    scored = _scored(table, draws, vendor, split, domain)
    for squares in (_within_rates(scored), _between_neighbours(scored)):
        known = list(squares)
        freedom = sum(square.freedom for square in known)
        if freedom >= FEWEST:
            return Noise(max(sum(square.total for square in known) / freedom, 0.0), freedom)
    return None


def _scored(table: pd.DataFrame, draws: Mapping[str, TrialDraws], vendor: str, split: str, domain: str) -> list[Scored]:
    configurations = []
    for row, curve in zip(table.itertuples(), curve_of(table)):
        seeds = seeds_of(row.keys, draws, vendor, split, domain)
        if seeds:
            configurations.append(Scored(int(curve), row.realised_rate, seeds))
    return configurations


def seeds_of(keys: list[str], draws: Mapping[str, TrialDraws], vendor: str, split: str, domain: str) -> list[Resampled]:
    """The metric of those trainings of a configuration that have one with a known error."""
    scores = [domain_draws(draws.get(key, {}), vendor, split, domain) for key in keys]
    return [score for score in scores if score is not None and np.isfinite(score.error)]


def to_logit(value: np.ndarray) -> np.ndarray:
    """The logit of a metric, kept finite."""
    return logit(np.clip(value, EDGE, 1 - EDGE))


def _within_rates(configurations: list[Scored]) -> Iterator[Square]:
    """The scatter of the seeds of each repeated rate below 1."""
    for configuration in configurations:
        seeds = configuration.seeds
        if configuration.curve < 0 or len(seeds) < 2:
            continue
        points = to_logit(np.array([seed.point for seed in seeds]))
        patients = to_logit(np.stack([seed.draws for seed in seeds], axis=1))
        patients = patients - patients.mean(axis=1, keepdims=True)
        freedom = len(seeds) - 1
        yield Square(freedom * points.var(ddof=1) - _variance(patients).sum(), freedom)


def _between_neighbours(configurations: list[Scored]) -> Iterator[Square]:
    """The distance of each rate from the line through its neighbours on the same curve."""
    by_curve: dict[int, list[Scored]] = {}
    for configuration in configurations:
        if configuration.curve >= 0:
            by_curve.setdefault(configuration.curve, []).append(configuration)
    for of_curve in by_curve.values():
        of_curve.sort(key=lambda configuration: configuration.rate)
        for below, here, above in zip(of_curve, of_curve[1:], of_curve[2:]):
            if below.rate < here.rate < above.rate:
                yield _off_the_line(below, here, above)


def _off_the_line(below: Scored, here: Scored, above: Scored) -> Square:
    octaves = np.log2([below.rate, here.rate, above.rate])
    share = (octaves[2] - octaves[1]) / (octaves[2] - octaves[0])
    weights = np.array([share, -1.0, 1 - share])
    places = [average(place.seeds) for place in (below, here, above)]
    points = to_logit(np.array([place.point for place in places]))
    patients = np.stack([to_logit(place.draws) for place in places], axis=1)
    distance = float(points @ weights)
    of_patients = _variance((patients @ weights)[:, None])[0]
    return Square((distance**2 - of_patients) / float(weights @ weights), 1)


def _variance(draws: np.ndarray) -> np.ndarray:
    """(B, n) -> (n,) over the draws that are known."""
    known = draws[np.isfinite(draws).all(axis=1)]
    return known.var(axis=0) if len(known) > 1 else np.zeros(draws.shape[1])
