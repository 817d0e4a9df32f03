"""A rate minus full sampling on the same patients: the standard error, and what it would take to tell them apart.

There are two sources of error. Patients, shared by all trainings: their bootstrap. Trainings: a two-way bootstrap also
resamples the seeds of both sides. Degrees of freedom after Satterthwaite (Biometrics 1946): those of both sources,
weighted by their variances.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from analysis.statistics.bootstrap import Resampled, average, t_interval
from tune_ks.core.seeding import generator

ALPHA = 0.05  # one-sided
POWER = 0.90  # of each endpoint, so that both pass with at least 80 % (Bonferroni)


class Difference(NamedTuple):
    """The metric of a rate minus full sampling's, with its standard errors."""

    point: float
    of_patients: float  # standard error
    of_trainings: float  # standard error
    patients: float  # that it rests on
    freedom: float  # of the trainings

    @property
    def error(self) -> float:
        """Standard error from both sources."""
        return math.hypot(self.of_patients, self.of_trainings)

    @property
    def total_freedom(self) -> float:
        """Satterthwaite's degrees of freedom."""
        spread = 0.0
        for error, freedom in ((self.of_patients, self.patients - 1), (self.of_trainings, self.freedom)):
            if error > 0:
                spread += error**4 / freedom
        return self.error**4 / spread if spread > 0 else self.patients - 1

    def lower(self, alpha: float = ALPHA) -> float:
        """One-sided bound."""
        return t_interval(self.point, self.error, self.total_freedom, -1.0, 1 - 2 * alpha).low

    def resolvable(self, alpha: float = ALPHA) -> float:
        """The margin that is proven with POWER when rate and full sampling are equal."""
        freedom = self.total_freedom
        return float(stdtrit(freedom, 1 - alpha) + stdtrit(freedom, POWER)) * self.error

    def needed(self, margin: float, alpha: float = ALPHA) -> tuple[float, float]:
        """How many times the patients, and how many times the trainings, make ``margin`` resolvable.

        Trainings are added only where they alone would take more than half of the variance that the margin allows.
        """
        allowed = (margin / (ndtri(1 - alpha) + ndtri(POWER))) ** 2
        trainings = max(1.0, 2 * self.of_trainings**2 / allowed) if allowed > 0 else math.inf
        if not math.isfinite(trainings):
            return math.inf, math.inf
        fewest = 2 / self.patients  # two patients
        most = 1e6  # times: more patients than there are

        def beyond(log_times: float) -> float:
            return self._with(math.exp(log_times), trainings).resolvable(alpha) - margin

        if beyond(math.log(fewest)) <= 0:
            return fewest, trainings
        return math.exp(brentq(beyond, math.log(fewest), math.log(most))), trainings

    def _with(self, patients: float, trainings: float) -> "Difference":
        """As it would be with that many times the patients and the trainings."""
        return Difference(
            point=self.point,
            of_patients=self.of_patients / math.sqrt(patients),
            of_trainings=self.of_trainings / math.sqrt(trainings),
            patients=self.patients * patients,
            freedom=self.freedom * trainings,
        )


def difference(rate: list[Resampled], full: list[Resampled], purpose: str) -> Difference:
    """The seeds of a rate and of full sampling, on shared draws of patients -> their difference."""
    paired = average(rate) - average(full)
    of_rate = np.stack([seed.draws for seed in rate], axis=1)
    of_full = np.stack([seed.draws for seed in full], axis=1)
    both = two_way(of_rate, of_full, purpose)
    known = np.isfinite(both)
    of_trainings = max(both[known].var() - paired.draws[known].var(), 0.0)
    return Difference(
        point=paired.point,
        of_patients=paired.error,
        of_trainings=math.sqrt(of_trainings),
        patients=paired.patients,
        freedom=len(rate) + len(full) - 2,
    )


def two_way(rate: np.ndarray, full: np.ndarray, purpose: str) -> np.ndarray:
    """(B, seeds) and (B, seeds of full) metrics on shared patients -> (B,) differences of resampled seeds."""
    random = generator(0, "seeds", purpose)
    return _over_seeds(rate, random) - _over_seeds(full, random)


def _over_seeds(metrics: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(B, seeds) -> (B,) means of resampled seeds.

    The spread is rescaled by sqrt(n / (n - 1)): that of a resample of three seeds is too narrow.
    """
    size = metrics.shape[1]
    drawn = random.multinomial(size, np.full(size, 1 / size), size=len(metrics)) / size
    weight = 1 / size + math.sqrt(size / (size - 1)) * (drawn - 1 / size)
    return (metrics * weight).sum(axis=1)
