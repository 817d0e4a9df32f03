"""The non-inferiority test: the smallest rate that is proven not to be worse than full sampling by more than a margin.

Both endpoints (the validation metric in-domain and cross-domain) must be not worse by more than the margin, each at
one-sided 95 %: an intersection-union test needs no correction (Berger, Technometrics 1982). Rates are tested from the
highest down, and the first failure ends the sequence (Maurer et al., 1995): so many rates need no correction either.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics.bootstrap import Resampled, TrialDraws, average, widened
from analysis.statistics.curve import Curve
from analysis.statistics.estimate import ALPHA, Estimate, Part, estimate, joined, scatter
from analysis.statistics.fitted import Curves, draw_patients
from analysis.statistics.measures import MEASURES
from analysis.statistics.scale import limits_of_difference
from analysis.statistics.training_noise import seeds_of
from tune_ks.core.metrics import DOMAINS

MARGIN = 0.02  # of the metric
MIN_SEEDS = 3
FIXED_RATES = tuple(2.0**-octave for octave in np.arange(0.5, 10, 0.5))  # for drawn rates: set before any was drawn
STEP_COLUMNS = [
    *("realised_rate", "configuration", "seeds"),
    *("in_domain_difference", "in_domain_lower", "cross_domain_difference", "cross_domain_lower"),
    *("passed", "why", "curve"),
]
NO_ERROR = (
    "has no validation metric with a known error, in-domain or cross-domain: too few patients, or no scores of images"
)
SEQUENCE_ENDED = "not tested: the sequence ended above"


class Proof(NamedTuple):
    """The result of a test: the rates that were tested, and the smallest one that is proven."""

    vendor: str
    rate: float  # realised; 1 when nothing below is proven; NaN when the test was refused
    configuration: str | None  # that has the rate
    margin: float
    steps: pd.DataFrame  # STEP_COLUMNS, one row a rate, highest first
    resolvable: float  # margin that these data prove with 80 % power on both metrics when rates are equal; NaN unknown
    patients_needed: dict[str, float]  # endpoint -> validation patients for ``margin``, with ``seeds_needed``
    refused: str  # why nothing was tested; "" when it was
    seeds_needed: float = math.nan  # trainings a rate; those of today where patients are what is missing
    how: str = ""  # how it was tested, where that was not one trained grid at one-sided 95 %

    def passed(self, configuration: str) -> bool:
        """Whether a configuration below rate 1 is proven."""
        steps = self.steps
        if self.refused or self.rate == 1 or steps.empty:
            return False
        proven = set(steps.loc[steps["passed"].astype(bool), "configuration"]) | {self.configuration}
        return configuration in proven


class Question(NamedTuple):
    """What a sequence of tests is about."""

    vendor: str
    margin: float
    patients: dict[str, int]  # endpoint -> validation patients
    alpha: float = ALPHA  # one-sided
    curve: str = ""  # name of the curve, where a vendor has several


class Step(NamedTuple):
    """One rate of a sequence."""

    rate: float  # realised
    configuration: str
    trainings: int
    differences: dict[str, Estimate]  # by endpoint; {} when it can't be tested
    lacks: str = ""  # why it can't be tested; "" when it can


class Power(NamedTuple):
    """What the tested rates could resolve, and what the margin would take. The fields are those of Proof."""

    resolvable: float = math.nan
    patients_needed: dict[str, float] = {}  # noqa: RUF012 - read only
    seeds_needed: float = math.nan


def refusal(vendor: str, margin: float, why: str) -> Proof:
    """The result when nothing can be tested."""
    return Proof(
        vendor=vendor,
        rate=math.nan,
        configuration=None,
        margin=margin,
        steps=pd.DataFrame(columns=STEP_COLUMNS),
        resolvable=math.nan,
        patients_needed={},
        refused=why,
    )


def noninferior(
    table: pd.DataFrame,
    draws: Mapping[str, TrialDraws],
    question: Question,
    missing: Mapping[float, str] | None = None,
) -> Proof:
    """Test one grid of trained rates, on validation scores only.

    ``table``: a vendor's configurations of one curve, and full sampling. ``missing``: nominal rate -> why it has no
    finished trial; such a rate is a step that does not pass, for none may be skipped.
    """
    missing = missing or {}
    vendor = question.vendor
    is_full = table["full"].to_numpy(bool)
    reference = _seeds_by_domain(table["keys"].iloc[int(is_full.argmax())], draws, vendor) if is_full.any() else {}
    lacks = _reference_lacks(reference, missing)
    if lacks:
        return refusal(vendor, question.margin, lacks)
    full = table[is_full]
    absent = sorted(set(missing) - set(table["sampling_rate"]))
    steps = [(rate, Step(rate, "", 0, {}, f"{missing[rate]}: no step may be skipped")) for rate in absent]
    for row in table[~is_full].itertuples():
        seeds = _seeds_by_domain(row.keys, draws, vendor)
        step = _trained_step(row, seeds, reference, missing.get(row.sampling_rate))
        steps.append((row.sampling_rate, step))
    steps.sort(key=lambda pair: -pair[0])  # by nominal rate, from the highest down
    return in_sequence([step for _, step in steps], str(full.iloc[0]["configuration"]), question)


def _reference_lacks(reference: dict[str, list[Resampled]], missing: Mapping[float, str]) -> str:
    """Why full sampling can't be compared with; "" when it can. ``reference``: {} when it has no finished trial."""
    if not reference:
        why = missing.get(1.0, "was not run")
        return f"full sampling (rate 1) {why}: there is nothing to compare with"
    if not all(reference.values()):
        return f"full sampling {NO_ERROR}"
    if len(reference["in_domain"]) < MIN_SEEDS:
        more = f" ({missing[1.0]})" if 1.0 in missing else ""
        return f"full sampling has fewer than {MIN_SEEDS} seeds{more}: how far a second training differs is unknown"
    return ""


def _trained_step(
    row: Any, seeds: dict[str, list[Resampled]], reference: dict[str, list[Resampled]], unfinished: str | None
) -> Step:
    """The step of one configuration (a row of the table).

    ``seeds`` and ``reference``: by endpoint, its scores and those of full sampling. ``unfinished``: why a
    further training of this rate has no score; None where there is none.
    """
    if any(len(scores) < MIN_SEEDS for scores in seeds.values()):
        more = f" (one {unfinished})" if unfinished else ""
        lacks = f"fewer than {MIN_SEEDS} seeds with scores{more}"
        return Step(row.realised_rate, row.configuration, len(row.keys), {}, lacks)
    differences = {domain: estimate(seeds[domain], reference[domain]) for domain in DOMAINS}
    return Step(row.realised_rate, row.configuration, len(row.keys), differences)


def noninferior_curve(
    curves: Curves | None,
    table: pd.DataFrame,
    draws: Mapping[str, TrialDraws],
    question: Question,
    plural: str = MEASURES["auc"].plural,
) -> Proof:
    """Test rates that were drawn: the fitted curves of both metrics at FIXED_RATES, within the trained rates.

    ``table``: a vendor's configurations of one curve, and full sampling, which is compared by its own trainings: it
    needs as many seeds as in a grid, for no curve says how far a second training without a mask would differ. The
    smoothness of the curve below rate 1 is taken for granted. The proven rate is rounded up to the next trained rate.
    """
    vendor = question.vendor
    is_full = table["full"].astype(bool)
    full = table[is_full]
    reference = _seeds_by_domain(full.iloc[0]["keys"], draws, vendor) if len(full) else {}
    lacks = _reference_lacks(reference, {})
    fitted = [curve for curve in curves or () if curve is not None]
    if not lacks and len(fitted) < len(DOMAINS):
        lacks = f"no curve could be fitted to the validation {plural} of both domains: three rates are the least"
    if not lacks and any(not curve.of_patients for curve in fitted):
        lacks = f"a training {NO_ERROR}"
    if lacks:
        return refusal(vendor, question.margin, lacks)
    trained = table.loc[~is_full, "realised_rate"].to_numpy(float)
    trainings = int(table.loc[~is_full, "keys"].map(len).sum())
    steps = []
    for rate in FIXED_RATES:
        if trained.min() <= rate <= trained.max():
            differences = {}
            for domain, curve in zip(DOMAINS, fitted, strict=True):
                differences[domain] = _along(curve, rate, reference[domain], trainings)
            steps.append(Step(rate, "", trainings, differences))
    proof = in_sequence(steps, str(full.iloc[0]["configuration"]), question)
    next_trained = table[table["realised_rate"] >= proof.rate].sort_values("realised_rate", kind="stable").iloc[0]
    return proof._replace(
        rate=float(next_trained["realised_rate"]),
        configuration=str(next_trained["configuration"]),
        how=f"rates were drawn: the fitted curve, its smoothness taken for granted, was tested at fixed rates against "
        f"the {len(reference['in_domain'])} trainings of full sampling",
        seeds_needed=math.nan,
    )


def in_sequence(steps: list[Step], full: str, question: Question) -> Proof:
    """Test ``steps`` from the highest rate down; the first that fails ends the sequence.

    ``full``: the configuration of full sampling, which is the answer where no step passes.
    """
    rows = []
    last_passed = Step(1.0, full, 0, {})
    going = True
    for step in steps:
        lower = {domain: against_full.lower(question.alpha) for domain, against_full in step.differences.items()}
        why = (step.lacks or _may_be_worse(lower, question.margin)) if going else SEQUENCE_ENDED
        going = not why
        if going:
            last_passed = step
        row = {"realised_rate": step.rate, "configuration": step.configuration, "seeds": step.trainings}
        row |= {f"{domain}_difference": against_full.point for domain, against_full in step.differences.items()}
        row |= {f"{domain}_lower": bound for domain, bound in lower.items()}
        rows.append(row | {"passed": going, "why": why, "curve": question.curve})
    power = _power([step for step in steps if step.differences], question)
    return Proof(
        vendor=question.vendor,
        rate=float(last_passed.rate),
        configuration=last_passed.configuration,
        margin=question.margin,
        steps=pd.DataFrame(rows, columns=STEP_COLUMNS),
        resolvable=power.resolvable,
        patients_needed=power.patients_needed,
        refused="",
        seeds_needed=power.seeds_needed,
    )


def _may_be_worse(lower: dict[str, float], margin: float) -> str:
    """By endpoint the lower bound of the difference -> which ones lie below the margin, in words; "" for none."""
    worse = [domain for domain, bound in lower.items() if not bound >= -margin]  # an unknown bound proves nothing
    return "; ".join(f"{domain.replace('_', '-')} may be worse by {-lower[domain]:.3f}" for domain in worse)


def _power(tested: list[Step], question: Question) -> Power:
    """What the tested steps could resolve, read off the difference of median error at each endpoint."""
    if not tested:
        return Power()
    fewest_trainings = min(step.trainings for step in tested)
    resolvable, seeds = [], []
    patients = {}
    for domain in DOMAINS:
        typical = _of_median_error([step.differences[domain] for step in tested])
        times_patients, times_trainings = typical.needed(question.margin, question.alpha)
        resolvable.append(typical.resolvable(question.alpha))
        patients[domain] = _whole(times_patients * question.patients[domain])
        seeds.append(_whole(times_trainings * fewest_trainings))
    return Power(max(resolvable), patients, max(seeds))


def _of_median_error(differences: list[Estimate]) -> Estimate:
    return sorted(differences, key=lambda difference: difference.error)[len(differences) // 2]


def _whole(count: float) -> float:
    return float(math.ceil(count - 1e-9)) if math.isfinite(count) else math.inf


def _along(curve: Curve, rate: float, full: list[Resampled], trainings: int) -> Estimate:
    """The curve at ``rate`` minus the mean of full sampling's trainings."""
    reference = average(full)
    at_rate = curve.draws_at(np.array([rate]))[:, 0]
    of_patients = curve.patients_at(np.array([rate]))[:, 0]
    patients = min(curve.of_patients, reference.patients)
    longer = widened(patients) * math.sqrt((patients - 1) / patients)  # Student's tails, which the test adds itself
    moved = of_patients - draw_patients(full, patients)
    along_curve = Part(max(at_rate.var() - of_patients.var(), 0.0), max(trainings - 3, 1))
    of_trainings = joined([along_curve, scatter(full)], math.inf)
    floor, ceiling = limits_of_difference(reference.floor)
    return Estimate(
        point=float(curve.at(np.array([rate]))[0] - reference.point),
        of_patients=moved.std() / longer,
        of_trainings=math.sqrt(of_trainings.variance),
        patients=patients,
        freedom=of_trainings.freedom,
        floor=floor,
        ceiling=ceiling,
        seeds=min(trainings, len(full)),
    )


def _seeds_by_domain(keys: list[str], draws: Mapping[str, TrialDraws], vendor: str) -> dict[str, list[Resampled]]:
    """Endpoint -> the validation scores of a configuration's trainings that have any."""
    return {domain: seeds_of(keys, draws, vendor, "val", domain) for domain in DOMAINS}
