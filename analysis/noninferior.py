"""What the data prove: the smallest rate not worse than full sampling, tested in fixed sequence.

Both endpoints (in-domain and cross-domain validation AUC) must be not worse by more than the margin, each at one-sided
95 %: an intersection-union test needs no correction (Berger, Technometrics 1982). Rates are tested from the highest
down and the first failure ends it (Maurer et al., 1995), so many rates cost nothing either.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from analysis.bootstrap import Resampled, average, t_interval
from analysis.resampling import TrialDraws, domain_draws
from analysis.selection import MARGIN
from tune_ks.seeding import generator

ALPHA, MIN_SEEDS = 0.05, 3
POWER = 0.90  # of each endpoint, so that both pass with at least 80 % (Bonferroni)
DOMAINS = ("in_domain", "cross_domain")
STEP_COLUMNS = ["realised_rate", "configuration", "seeds"]
STEP_COLUMNS += [f"{d}_{what}" for d in DOMAINS for what in ("difference", "lower")] + ["passed", "why"]


class Proof(NamedTuple):
    """The tested sequence and where it ended."""

    vendor: str
    rate: float  # realised; 1 when nothing below is proven; NaN when the test was refused
    configuration: str | None
    margin: float
    steps: pd.DataFrame  # STEP_COLUMNS, one row a rate that was looked at
    resolvable: float  # the margin that these data would prove, both AUCs with 80 % power, were the rates equal; or NaN
    patients_needed: dict[str, float]  # endpoint -> validation patients for ``margin``; inf: more seeds are needed
    refused: str  # why nothing was tested; "" when it was


def noninferior(
    table: pd.DataFrame, draws: dict[str, TrialDraws], patients: dict[str, int], vendor: str, margin: float = MARGIN
) -> Proof:
    """``table``: one vendor's configurations of one curve and full sampling; ``patients``: by endpoint.

    Validation scores only. Differences by a two-way bootstrap over patients (shared) and seeds (of each
    configuration alone, their spread rescaled by sqrt(n / (n - 1)): a resample of three seeds is too narrow).
    """
    empty = pd.DataFrame(columns=STEP_COLUMNS)

    def refuse(why: str) -> Proof:
        return Proof(vendor, math.nan, None, margin, empty, math.nan, {}, why)

    full = table[table["full"].astype(bool)]
    if full.empty:
        return refuse("full sampling (rate 1) was not run: there is nothing to compare with")
    reference = {d: _of_seeds(full.iloc[0]["keys"], draws, vendor, d) for d in DOMAINS}
    if not all(reference.values()):
        return refuse("full sampling lacks per-image validation scores of both the source and another vendor")
    if len(reference["in_domain"]) < MIN_SEEDS:
        return refuse(f"full sampling has fewer than {MIN_SEEDS} seeds: how far a second training differs is unknown")
    candidates = table[~table["full"].astype(bool)].sort_values("sampling_rate", ascending=False, kind="stable")
    steps, rate, chosen, errors = [], 1.0, str(full.iloc[0]["configuration"]), {d: [] for d in DOMAINS}
    going = True
    for row in candidates.itertuples():
        step = {"realised_rate": row.realised_rate, "configuration": row.configuration, "seeds": len(row.keys)}
        why = "" if going else "not tested: a higher rate failed"
        for domain in DOMAINS:
            mine = _of_seeds(row.keys, draws, vendor, domain)
            if len(mine) < MIN_SEEDS:
                why = why or f"fewer than {MIN_SEEDS} seeds with scores"
                continue
            found = difference(mine, reference[domain], f"{vendor} {row.configuration} {domain}")
            step |= {f"{domain}_difference": found.point, f"{domain}_lower": found.lower}
            errors[domain].append(found)
            if found.lower < -margin:
                why = why or f"{domain.replace('_', '-')} may be worse by {-found.lower:.3f}"
        going = going and not why
        if going:
            rate, chosen = float(row.realised_rate), str(row.configuration)
        steps.append(step | {"passed": going, "why": why})
    middle = {d: sorted(found, key=lambda one: one.error)[len(found) // 2] for d, found in errors.items() if found}
    resolvable = max((found.resolvable for found in middle.values()), default=math.nan)
    needed = {d: found.patients_needed(margin, patients[d]) for d, found in middle.items()}
    return Proof(vendor, rate, chosen, margin, pd.DataFrame(steps, columns=STEP_COLUMNS), resolvable, needed, "")


class Difference(NamedTuple):
    """AUC of a rate minus full sampling's, on the same patients."""

    point: float
    of_patients: float  # standard error from the patients
    of_seeds: float  # from the trainings
    freedom: float

    @property
    def error(self) -> float:
        """Standard error of both."""
        return math.hypot(self.of_patients, self.of_seeds)

    @property
    def lower(self) -> float:
        """One-sided 95 % bound."""
        return t_interval(self.point, self.error, self.freedom, -1.0, 1 - 2 * ALPHA).low

    @property
    def resolvable(self) -> float:
        """The margin that is proven with POWER when the rates are equal."""
        return _reach(self.freedom) * self.error

    def patients_needed(self, margin: float, patients: int) -> float:
        """Validation patients that make ``margin`` resolvable, of ``patients`` now; inf: seeds alone forbid it."""
        left = (margin / _reach(self.freedom)) ** 2 - self.of_seeds**2
        return math.ceil(patients * self.of_patients**2 / left) if left > 0 else math.inf


def difference(mine: list[Resampled], full: list[Resampled], purpose: str) -> Difference:
    """Seeds of a rate and of full sampling, on shared draws -> their difference, by a two-way bootstrap.

    Degrees of freedom after Satterthwaite (1946): the patients' and the trainings' own, weighted by their variances.
    """
    paired = average(mine) - average(full)
    both = two_way(np.stack([m.draws for m in mine], 1), np.stack([f.draws for f in full], 1), purpose)
    known = np.isfinite(both)
    seeds = max(both[known].var() - paired.draws[known].var(), 0.0)
    of_patients = paired.error**2
    spread = of_patients**2 / max(paired.patients - 1, 1) + seeds**2 / (len(mine) + len(full) - 2)
    freedom = (of_patients + seeds) ** 2 / spread if spread > 0 else float(paired.patients - 1)
    return Difference(paired.point, math.sqrt(of_patients), math.sqrt(seeds), freedom)


def two_way(mine: np.ndarray, full: np.ndarray, purpose: str) -> np.ndarray:
    """(B, seeds) and (B, seeds of full) AUCs on shared patients -> (B,) differences of resampled seeds."""
    random = generator(0, "seeds", purpose)
    return _over_seeds(mine, random) - _over_seeds(full, random)


def _over_seeds(auc: np.ndarray, random: np.random.Generator) -> np.ndarray:
    size = auc.shape[1]
    drawn = random.multinomial(size, np.full(size, 1 / size), size=len(auc)) / size
    weight = 1 / size + math.sqrt(size / (size - 1)) * (drawn - 1 / size)
    return (auc * weight).sum(axis=1)


def _reach(freedom: float) -> float:
    """Standard errors between a margin and 0 for a one-sided test at ALPHA to succeed with POWER."""
    return float(student.ppf(1 - ALPHA, freedom) + student.ppf(POWER, freedom))


def _of_seeds(keys: list[str], draws: dict[str, TrialDraws], vendor: str, domain: str) -> list[Resampled]:
    each = [domain_draws(draws.get(key, {}), vendor, "val", domain) for key in keys]
    return [value for value in each if value is not None and math.isfinite(value.error)]
