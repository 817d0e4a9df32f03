"""What the data prove: the smallest rate not worse than full sampling, tested in fixed sequence.

Both endpoints (the validation metric in-domain and cross-domain) must be not worse by more than the margin, each at
one-sided 95 %: an intersection-union test needs no correction (Berger, Technometrics 1982). Rates are tested from the
highest down and the first failure ends it (Maurer et al., 1995), so many rates cost nothing either.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.choice.difference import ALPHA, Difference, difference
from analysis.statistics.bootstrap import Resampled, TrialDraws, widened
from analysis.statistics.curve import Curve
from analysis.statistics.measures import MEASURES
from analysis.statistics.resampling import domain_draws
from analysis.statistics.uncertain_front import Curves
from tune_ks.core.metrics import DOMAINS

MARGIN = 0.02  # of the metric
MIN_SEEDS = 3
FIXED_RATES = tuple(2.0**-octave for octave in np.arange(0.5, 10, 0.5))  # for drawn rates: set before any was drawn
STEP_COLUMNS = ["realised_rate", "configuration", "seeds"]
STEP_COLUMNS += [f"{d}_{what}" for d in DOMAINS for what in ("difference", "lower")] + ["passed", "why", "curve"]


class Proof(NamedTuple):
    """The tested sequence and where it ended."""

    vendor: str
    rate: float  # realised; 1 when nothing below is proven; NaN when the test was refused
    configuration: str | None  # that has it
    margin: float
    steps: pd.DataFrame  # STEP_COLUMNS, one row a rate that was looked at
    resolvable: (
        float  # the margin that these data would prove, both metrics with 80 % power, were the rates equal; or NaN
    )
    patients_needed: dict[str, float]  # endpoint -> validation patients for ``margin``, with ``seeds_needed``
    refused: str  # why nothing was tested; "" when it was
    seeds_needed: float = math.nan  # trainings a rate; as many as there are where patients are what is missing
    how: str = ""  # what was tested, where it was not one trained grid at one-sided 95 %


class Step(NamedTuple):
    """One rate to be tested."""

    rate: float  # realised
    configuration: str
    trainings: int
    differences: dict[str, Difference]  # by endpoint
    lacks: str = ""  # why it can't be tested; "" when it can


def refusal(vendor: str, margin: float, why: str) -> Proof:
    """Nothing was tested."""
    return Proof(vendor, math.nan, None, margin, pd.DataFrame(columns=STEP_COLUMNS), math.nan, {}, why)


def noninferior(
    table: pd.DataFrame,
    draws: Mapping[str, TrialDraws],
    patients: dict[str, int],
    vendor: str,
    margin: float = MARGIN,
    missing: Mapping[float, str] | None = None,
    alpha: float = ALPHA,
    curve: str = "",
) -> Proof:
    """One trained grid. ``table``: a vendor's configurations of one curve and full sampling; ``patients``: by endpoint.

    Validation scores only. ``missing``: nominal rate -> why it has no finished trial; a missing rate is a step that
    does not pass, for none may be skipped.
    """
    missing = missing or {}
    full = table[table["full"].astype(bool)]
    if full.empty:
        why = missing.get(1.0, "was not run")
        return refusal(vendor, margin, f"full sampling (rate 1) {why}: there is nothing to compare with")
    reference = {d: _of_seeds(full.iloc[0]["keys"], draws, vendor, d) for d in DOMAINS}
    if not all(reference.values()):
        return refusal(
            vendor, margin, "full sampling lacks per-image validation scores of both the source and another vendor"
        )
    if len(reference["in_domain"]) < MIN_SEEDS:
        more = f" ({missing[1.0]})" if 1.0 in missing else ""
        why = f"full sampling has fewer than {MIN_SEEDS} seeds{more}: how far a second training differs is unknown"
        return refusal(vendor, margin, why)
    absent = sorted(set(missing) - set(table["sampling_rate"]))
    steps = [(rate, Step(rate, "", 0, {}, f"{missing[rate]}: no step may be skipped")) for rate in absent]
    for row in table[~table["full"].astype(bool)].itertuples():
        mine = {d: _of_seeds(row.keys, draws, vendor, d) for d in DOMAINS}
        enough = all(len(seeds) >= MIN_SEEDS for seeds in mine.values())
        purpose = f"{vendor} {row.configuration}"
        found = {d: difference(mine[d], reference[d], f"{purpose} {d}") for d in DOMAINS} if enough else {}
        more = f" (one {missing[row.sampling_rate]})" if row.sampling_rate in missing else ""
        lacks = "" if enough else f"fewer than {MIN_SEEDS} seeds with scores{more}"
        steps.append((row.sampling_rate, Step(row.realised_rate, row.configuration, len(row.keys), found, lacks)))
    ordered = [step for _, step in sorted(steps, key=lambda pair: -pair[0])]
    return in_sequence(ordered, str(full.iloc[0]["configuration"]), patients, vendor, margin, alpha, curve)


def noninferior_curve(
    curves: Curves,
    table: pd.DataFrame,
    draws: Mapping[str, TrialDraws],
    patients: dict[str, int],
    vendor: str,
    margin: float,
    plural: str = MEASURES["auc"].plural,
) -> Proof:
    """Rates that were drawn: the fitted curves of both metrics, tested at FIXED_RATES down to the smallest trained one.

    All that varies beside the rate (temperatures ...) is pooled in the curve, and its smoothness is taken for granted.
    What is proven snaps to the smallest trained rate that is not below the last rate that passed.
    """
    full = table[table["full"].astype(bool)]
    if full.empty:
        return refusal(vendor, margin, "full sampling (rate 1) was not run: there is nothing to compare with")
    if curves.in_domain is None or curves.cross_domain is None:
        return refusal(vendor, margin, f"no curve could be fitted to the validation {plural} of both domains")
    keys = [key for row in table["keys"] for key in row]
    scored = {d: [domain_draws(draws.get(key, {}), vendor, "val", d) for key in keys] for d in DOMAINS}
    if any(one is None or one.patients < 2 for each in scored.values() for one in each):
        return refusal(vendor, margin, "a training lacks per-image validation scores of the source or another vendor")
    clusters = {d: min(one.patients for one in each) for d, each in scored.items()}
    trained = table["realised_rate"].to_numpy(float)
    steps = []
    for rate in (rate for rate in FIXED_RATES if rate >= trained.min()):
        found = {d: _along(c, rate, clusters[d], len(keys)) for d, c in zip(DOMAINS, curves)}
        steps.append(Step(rate, "", len(keys), found))
    proof = in_sequence(steps, str(full.iloc[0]["configuration"]), patients, vendor, margin)
    snapped = table[trained >= proof.rate].sort_values("realised_rate", kind="stable").iloc[0]
    how = "rates were drawn: the fitted curve was tested at fixed rates, its smoothness taken for granted"
    return proof._replace(
        rate=float(snapped["realised_rate"]),
        configuration=str(snapped["configuration"]),
        how=how,
        seeds_needed=math.nan,
    )


def in_sequence(
    steps: list[Step],
    full: str,
    patients: dict[str, int],
    vendor: str,
    margin: float,
    alpha: float = ALPHA,
    curve: str = "",
) -> Proof:
    """Steps from the highest rate down; the first that fails ends it. ``full``: full sampling's configuration."""
    rows, rate, chosen, going = [], 1.0, full, True
    for step in steps:
        lower = {domain: found.lower(alpha) for domain, found in step.differences.items()}
        worse = [d for d, bound in lower.items() if not bound >= -margin]
        why = "" if going else "not tested: the sequence ended above"
        why = why or step.lacks or "; ".join(f"{_word(d)} may be worse by {-lower[d]:.3f}" for d in worse)
        going = going and not why
        if going:
            rate, chosen = float(step.rate), step.configuration
        row = {"realised_rate": step.rate, "configuration": step.configuration, "seeds": step.trainings}
        row |= {f"{d}_difference": found.point for d, found in step.differences.items()}
        row |= {f"{d}_lower": bound for d, bound in lower.items()}
        rows.append(row | {"passed": going, "why": why, "curve": curve})
    tested = [step for step in steps if step.differences]
    typical = {d: _median([step.differences[d] for step in tested]) for d in DOMAINS if tested}
    times = {d: found.needed(margin, alpha) for d, found in typical.items()}
    trainings = [_whole(more * min(step.trainings for step in tested)) for _, more in times.values()]
    return Proof(
        vendor=vendor,
        rate=rate,
        configuration=chosen,
        margin=margin,
        steps=pd.DataFrame(rows, columns=STEP_COLUMNS),
        resolvable=max((found.resolvable(alpha) for found in typical.values()), default=math.nan),
        patients_needed={d: _whole(more * patients[d]) for d, (more, _) in times.items()},
        refused="",
        seeds_needed=max(trainings, default=math.nan),
    )


def _median(found: list[Difference]) -> Difference:
    """The one of median error."""
    return sorted(found, key=lambda one: one.error)[len(found) // 2]


def _whole(count: float) -> float:
    return float(math.ceil(count - 1e-9)) if math.isfinite(count) else math.inf


def _along(curve: Curve, rate: float, patients: int, trainings: int) -> Difference:
    """The curve at ``rate`` minus at 1, from its draws."""
    ends = np.array([rate, 1.0])
    point = float(np.subtract(*curve.at(ends)))
    whole, moved = (np.subtract(*drawn.T) for drawn in (curve.draws_at(ends), curve.patients_at(ends)))
    longer = widened(patients) * math.sqrt((patients - 1) / patients)  # Student's tails, which the test brings itself
    of_patients = moved.std() / longer
    return Difference(
        point, of_patients, math.sqrt(max(whole.var() - moved.var(), 0.0)), patients, max(trainings - 3, 1)
    )


def _word(domain: str) -> str:
    return domain.replace("_", "-")


def _of_seeds(keys: list[str], draws: Mapping[str, TrialDraws], vendor: str, domain: str) -> list[Resampled]:
    each = [domain_draws(draws.get(key, {}), vendor, "val", domain) for key in keys]
    return [value for value in each if value is not None and math.isfinite(value.error)]
