"""The choice of one source vendor: which scores a rule sees, what it chooses, and how sure the choice is.

A rule reads arrays named in_domain and cross_domain. Whether they hold validation or test scores is decided only here,
and stands in the Selection.
"""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.choice.noninferior import Proof
from analysis.choice.options import Options
from analysis.choice.rules import RULES
from analysis.choice.rules.base import Points
from analysis.choice.verdict import SEVERAL, Verdict, verdicts
from analysis.read.configurations import full_beside
from analysis.read.trial_rows import SCORES
from analysis.statistics.fitted import NOTHING_FITTED, Fitted
from analysis.statistics.measures import Measure
from analysis.statistics.pareto import TWO

RATE_DRAWS = 100  # of the curves, for the interval of a chosen rate
CONFIGURATION_FIELDS = (
    *("sampling_rate", "mask", "mask.temperature", "mask.budget", "pattern", "transform", "reconstruction"),
    *("classifier", "rate_from"),
)


class Selection(NamedTuple):
    """The chosen configuration of one source vendor, and how it was chosen."""

    rule: str
    vendor: str
    family: str  # "learned": chosen among all learned families; else the name of the only family
    rate: float  # realised; NaN when nothing could be chosen, and the note says why
    interval: tuple[float, float] | None  # of the rate; None where it can't be computed
    values: dict[str, float]  # mean over seeds of SCORES, their _sd, test intervals, differences to rate 1
    full_sampling: dict[str, float]  # the same at rate 1; {} when it was not run
    configuration: dict[str, Any]  # config fields of the choice; {} when there is none
    keys: tuple[str, ...]  # its trials
    columns_read: tuple[str, ...]
    oracle: bool  # True: test columns chose, so its test metric is biased upward
    saw: str  # source-validation | target-validation | leave-one-vendor-out | oracle
    parameters: dict[str, float]
    note: str
    # endpoint -> probability that full sampling is not better by more than the tolerance; {} unknown
    not_worse: dict[str, float] = {}  # noqa: RUF012 - read only
    verdicts: dict[str, Verdict] = {}  # noqa: RUF012 - read only; by endpoint; {} at rate 1 and without full sampling
    lowest: bool = False  # no lower rate has a finished trial
    also_read: str = ""  # what of the search read the validation scores of every vendor; "" where nothing did
    read_fitted: bool = False  # the rule read the fitted mean of rates that lie on a curve, not their observed mean
    held_out: str = ""  # the vendor that the cross-domain test metric is of, when its labels were kept from the choice


class Evidence(NamedTuple):
    """What a rule may read of its candidates, and the same values in draws."""

    points: Points
    draws: dict[str, np.ndarray]  # endpoint -> (D, n) draws of the candidates' metric; {} where an error is unknown


def split_of(configurations: pd.DataFrame) -> str:
    """The split that chooses: val wherever one row has an in-domain validation metric; test only when none has."""
    return "val" if configurations["val_in_domain"].notna().any() else "test"


def with_scores(configurations: pd.DataFrame, split: str) -> pd.DataFrame:
    """The configurations with the metrics of one split as the columns in_domain and cross_domain."""
    return configurations.assign(**{domain: configurations[f"{split}_{domain}"] for domain in TWO})


def select(
    configurations: pd.DataFrame,
    vendor: str,
    rule: str,
    options: Options | None = None,
    family: str = "learned",
    split: str | None = None,
    fitted: Fitted = NOTHING_FITTED,
    proof: Proof | None = None,
) -> Selection:
    """Apply one rule to one vendor's configurations (already those of one family and full sampling).

    ``fitted`` (of that split) replaces the points that lie on a curve; the chosen rate is always a trained one. Without
    it the rule reads the points. ``proof`` is for the rules that need one. ``split="test"`` gives the oracle's choice.
    When nothing can be chosen the rate is NaN and the note says why. KeyError for a rule that is not in RULES.
    """
    options = options or Options()
    chooser = RULES[rule]
    split = split or split_of(configurations)
    table = with_scores(configurations, split)
    proof = proof if split == "val" else None  # it was made on validation patients
    points, draws = evidence(table, fitted, proof, options.measure)
    pick = chooser.pick(points, options.values)
    reference = full_beside(table, pick.row)
    selection = Selection(
        rule=rule,
        vendor=vendor,
        family=family,
        rate=math.nan,
        interval=None,
        values={},
        full_sampling={} if reference is None else _values(table.iloc[reference]),
        configuration={},
        keys=(),
        columns_read=tuple(f"{split}_{name}" for name in chooser.columns),
        oracle=split == "test",
        saw=_saw(split, chooser.columns),
        parameters=chooser.used(options.values) | pick.computed,
        note="; ".join(filter(None, [pick.note, *_notes(table, split, options.measure)])),
        read_fitted=any(reads_fitted(fitted, name, table) for name in chooser.columns),
    )
    if pick.row is None:
        return selection
    chosen = table.iloc[pick.row]
    values = _values(chosen)
    compared = reference is not None and not chosen["full"]
    passed = proof is not None and proof.passed(str(chosen["configuration"]))
    return selection._replace(
        rate=float(chosen["realised_rate"]),
        interval=None if chooser.needs_proof else _rate_interval(rule, points, draws, options),
        values=values,
        verdicts=verdicts(values, options.margin, passed) if compared else {},
        lowest=bool(len(table) > 1 and chosen["realised_rate"] == table["realised_rate"].min()),
        configuration=_fields(chosen),
        keys=tuple(chosen["keys"]),
        not_worse={} if reference is None else _not_worse(table, pick.row, reference, draws, options.tolerance),
    )


def evidence(table: pd.DataFrame, fitted: Fitted, proof: Proof | None, measure: Measure) -> Evidence:
    """``table`` of with_scores() -> the points, smoothed where they lie on a curve, and draws where all have them."""
    rate = table["realised_rate"].to_numpy(float)
    values = {domain: table[domain].to_numpy(float) for domain in TWO}
    error = np.full(len(table), math.nan)
    if "val_in_domain_sd" in table:
        error = table["val_in_domain_sd"].to_numpy(float) / np.sqrt(table["seeds"].to_numpy(float))
    draws = {}
    names = table["configuration"].to_numpy()
    for domain in TWO:
        scores = getattr(fitted, domain)
        smoothed = [scores.mean.get(name, value) for name, value in zip(names, values[domain])]
        values[domain] = np.array(smoothed)
        if len(names) and all(name in scores.draws for name in names):
            draws[domain] = np.stack([scores.draws[name] for name in names], axis=1)
    if "in_domain" in draws:
        error = draws["in_domain"].std(axis=0)
    points = Points(
        rate=rate,
        **values,
        in_domain_se=error,
        measure=measure,
        configuration=names,
        proof=proof,
        in_domain_draws=draws.get("in_domain"),
    )
    return Evidence(points, draws)


def reads_fitted(fitted: Fitted, domain: str, table: pd.DataFrame) -> bool:
    """Whether the fitted mean of a domain stands for the observed one in any row of ``table``."""
    return bool(table["configuration"].isin(getattr(fitted, domain).mean).any())


def _saw(split: str, columns: tuple[str, ...]) -> str:
    """Whose labels a choice has seen."""
    if split == "test":
        return "oracle"
    return "target-validation" if "cross_domain" in columns else "source-validation"


def _notes(table: pd.DataFrame, split: str, measure: Measure) -> list[str]:
    """What the candidates lack, whatever the rule."""
    notes = []
    lacking = int(table["in_domain"].isna().sum())
    if 0 < lacking < len(table):
        named = f"in-domain {split} {measure.title}"
        notes.append(f"{lacking} of {len(table)} configurations have no {named} and were not candidates")
    if not table["full"].astype(bool).any():
        notes.append("full sampling (rate 1) was not run: what is lost against it is unknown")
    return notes


def _rate_interval(
    rule: str, points: Points, draws: dict[str, np.ndarray], options: Options
) -> tuple[float, float] | None:
    """5 % and 95 % of the rates that the rule takes on draws of the metrics; None without draws.

    Where these are one rate, the rates tried on either side of it: between them nothing was tried.
    """
    if "in_domain" not in draws:
        return None
    rates = []
    for number in range(RATE_DRAWS):
        drawn = replace(points, **{domain: values[number] for domain, values in draws.items()})
        row = RULES[rule].pick(drawn, options.values).row
        if row is not None:
            rates.append(float(points.rate[row]))
    if len(rates) < RATE_DRAWS / 2:
        return None
    low, high = np.quantile(rates, [0.05, 0.95], method="inverted_cdf")
    if low == high:
        tried = np.unique(points.rate)
        place = int(np.searchsorted(tried, low))
        low = tried[max(place - 1, 0)]
        high = tried[min(place + 1, len(tried) - 1)]
    return None if low == high else (float(low), float(high))


def _not_worse(
    table: pd.DataFrame, row: int, reference: int, draws: dict[str, np.ndarray], tolerance: float
) -> dict[str, float]:
    """Endpoint -> the share of draws in which full sampling is not better by more than the tolerance.

    ``row`` and ``reference`` are the positions of the choice and of full sampling.

    "both" is the share in which that holds for both endpoints at once. {} with one training of full sampling, as it
    would be a probability about that training.
    """
    if not draws:
        return {}
    if table["seeds"].iloc[reference] < SEVERAL:
        return {}
    held = {domain: values[:, reference] - values[:, row] <= tolerance for domain, values in draws.items()}
    shares = {domain: float(holds.mean()) for domain, holds in held.items()}
    if len(held) == len(TWO):
        shares["both"] = float(np.logical_and.reduce(list(held.values())).mean())
    return shares


def _values(row: pd.Series) -> dict[str, float]:
    names = [*SCORES, *(f"{n}_sd" for n in SCORES), "realised_rate", "distinct_rate", "seeds"]
    computed = [n for n in row.index if str(n).startswith("difference_") or str(n).endswith(("_low", "_high"))]
    return {name: float(row[name]) for name in [*names, *computed]}


def _fields(row: pd.Series) -> dict[str, Any]:
    """The fields by which a configuration is known; None where its members have no such option."""
    options = {name: name.rpartition(".")[2] for name in CONFIGURATION_FIELDS}
    return {option: None if pd.isna(row.get(name)) else row[name] for name, option in options.items()}
