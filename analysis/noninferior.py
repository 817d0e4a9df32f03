"""What the data prove: the smallest rate not worse than full sampling, tested in fixed sequence.

Both endpoints (in-domain and cross-domain validation AUC) must be not worse by more than the margin, each at one-sided
95 %: an intersection-union test needs no correction (Berger, Technometrics 1982). Rates are tested from the highest
down and the first failure ends it (Maurer et al., 1995), so many rates cost nothing either.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from analysis.resampling import TrialDraws, domain_draws
from analysis.selection import MARGIN
from tune_ks.seeding import generator

ALPHA, POWER, MIN_SEEDS = 0.05, 0.80, 3
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
    resolvable: float  # the margin that these data would prove with 80 % power if the rates were equal; NaN unknown
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
    reference = {d: _seed_draws(full.iloc[0]["keys"], draws, vendor, d) for d in DOMAINS}
    if any(value is None for value in reference.values()):
        return refuse("full sampling lacks per-image validation scores of both the source and another vendor")
    if reference["in_domain"].shape[1] < MIN_SEEDS:
        return refuse(f"full sampling has fewer than {MIN_SEEDS} seeds: how far a second training differs is unknown")
    candidates = table[~table["full"].astype(bool)].sort_values("sampling_rate", ascending=False, kind="stable")
    steps, rate, chosen, errors = [], 1.0, str(full.iloc[0]["configuration"]), {d: [] for d in DOMAINS}
    going = True
    for row in candidates.itertuples():
        step = {"realised_rate": row.realised_rate, "configuration": row.configuration, "seeds": len(row.keys)}
        why = "" if going else "not tested: a higher rate failed"
        for domain in DOMAINS:
            mine = _seed_draws(row.keys, draws, vendor, domain)
            if mine is None or mine.shape[1] < MIN_SEEDS:
                why = why or f"fewer than {MIN_SEEDS} seeds with scores"
                continue
            both, of_patients = two_way(mine, reference[domain], f"{vendor} {row.configuration} {domain}")
            lower = float(np.quantile(both, ALPHA))
            step |= {f"{domain}_difference": float(of_patients.mean()), f"{domain}_lower": lower}
            errors[domain].append((both.var(), of_patients.var()))
            if lower < -margin:
                why = why or f"{domain.replace('_', '-')} may be worse by {-lower:.3f}"
        going = going and not why
        if going:
            rate, chosen = float(row.realised_rate), str(row.configuration)
        steps.append(step | {"passed": going, "why": why})
    power = norm.ppf(1 - ALPHA) + norm.ppf(POWER)
    middle = {d: np.median(np.array(found), axis=0) for d, found in errors.items() if found}
    resolvable = max((power * math.sqrt(total) for total, _ in middle.values()), default=math.nan)
    needed = {}
    for domain, (total, of_patients) in middle.items():
        left = (margin / power) ** 2 - max(total - of_patients, 0.0)
        needed[domain] = math.ceil(of_patients * patients[domain] / left) if left > 0 else math.inf
    return Proof(vendor, rate, chosen, margin, pd.DataFrame(steps, columns=STEP_COLUMNS), resolvable, needed, "")


def two_way(mine: np.ndarray, full: np.ndarray, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """(B, seeds) and (B, seeds of full) AUCs on shared draws -> (B,) differences: patients and seeds; patients."""
    random = generator(0, "seeds", purpose)
    difference = _over_seeds(mine, random) - _over_seeds(full, random)
    return difference, mine.mean(axis=1) - full.mean(axis=1)


def _over_seeds(auc: np.ndarray, random: np.random.Generator) -> np.ndarray:
    size = auc.shape[1]
    drawn = random.multinomial(size, np.full(size, 1 / size), size=len(auc)) / size
    weight = 1 / size + math.sqrt(size / (size - 1)) * (drawn - 1 / size)
    return (auc * weight).sum(axis=1)


def _seed_draws(keys: list[str], draws: dict[str, TrialDraws], vendor: str, domain: str) -> np.ndarray | None:
    each = [domain_draws(draws.get(key, {}), vendor, "val", domain) for key in keys]
    each = [value for value in each if value is not None and np.isfinite(value).all()]
    return np.stack(each, axis=1) if each else None
