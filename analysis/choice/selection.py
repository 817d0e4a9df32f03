"""Rules that choose a sampling rate, and what each was allowed to see.

A rule is one function of a table of candidates and one entry in RULES. It reads the columns in_domain, cross_domain
and realised_rate; whether those are validation or test scores is decided here, in one place, and said.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import moocore
import numpy as np
import pandas as pd

from analysis.choice.noninferior import MARGIN, Proof
from analysis.choice.noninferior_words import account
from analysis.read.configurations import plain_name
from analysis.read.load import SCORES
from analysis.statistics.measures import MEASURES, Measure
from analysis.statistics.pareto import DIRECTIONS, THREE, TWO, reference
from analysis.statistics.pareto import knee as knee_of

EPSILON = 0.02  # of the AUC; the source study's own choice needs 0.024 to 0.058
TOLERANCE = 0.02
RATE_DRAWS = 100  # of the curves, for the interval of a chosen rate
READ = (*THREE, "in_domain_se")  # what a rule may read of its candidates
SLACK = 1e-9  # 0.902 - 0.024 must not lose to 0.878 in the last bit


class Options(NamedTuple):
    """What a user may set, and the run's metric; each rule takes what it needs."""

    epsilon: float = EPSILON  # of the metric that may be lost in-domain for a smaller rate
    tolerance: float = TOLERANCE  # of the metric that may be lost in-domain for a better cross-domain one
    margin: float = MARGIN  # by which a rate may be worse than full sampling and still count as proven
    measure: Measure = MEASURES["auc"]  # the run decides it


class Pick(NamedTuple):
    """What a rule answers: a row label of its candidates, or None with the reason in the note."""

    row: Any
    reads: tuple[str, ...]  # the score columns it looked at
    note: str = ""
    parameters: dict[str, float] = {}  # noqa: RUF012 - read only; the options it used


class Selection(NamedTuple):
    """A chosen configuration of one source vendor, and what chose it."""

    rule: str
    vendor: str
    family: str  # "learned": all learned families compete; else the one family (a yardstick)
    rate: float  # realised; NaN when nothing could be chosen, and the note says why
    interval: tuple[float, float] | None  # of the rate; None: this rule gives none
    values: dict[str, float]  # mean over seeds of SCORES, their _sd, test intervals, differences to rate 1
    full_sampling: dict[str, float]  # the same at rate 1; {} when it was not run
    configuration: dict[str, Any]  # config fields of the choice; {} when there is none
    keys: tuple[str, ...]  # its trials
    columns_read: tuple[str, ...]
    oracle: bool  # True: test columns chose, so its test metric is biased upward
    saw: str  # source-validation | target-validation | leave-one-vendor-out | oracle
    parameters: dict[str, float]
    note: str
    not_worse: dict[str, float] = {}  # noqa: RUF012 - endpoint -> probability that full sampling is not better by more
    # than the tolerance, from the curves' draws; {} without curves
    held_out: str = ""  # the vendor that the cross-domain test metric is of, when its labels were kept from the choice


def epsilon(points: pd.DataFrame, options: Options) -> Pick:
    """The smallest rate whose in-domain metric is within epsilon of the best."""
    reads, used = ("in_domain",), {"epsilon": options.epsilon}
    known = points.dropna(subset=["in_domain"])
    if known.empty:
        return Pick(None, reads, f"no candidate has an in-domain {options.measure.title}", used)
    good = known[known["in_domain"] >= known["in_domain"].max() - options.epsilon - SLACK]
    return Pick(_smallest(good), reads, parameters=used)


def knee(points: pd.DataFrame, options: Options) -> Pick:
    """The knee of the best in-domain metric reached by each rate (Kneedle)."""
    reads = ("in_domain",)
    known = points.dropna(subset=["in_domain"])
    rate = knee_of(known["realised_rate"].to_numpy(float), known["in_domain"].to_numpy(float))
    if rate is None:
        why = f"no knee: fewer than four rates, or the in-domain {options.measure.title} does not rise and level off"
        return Pick(None, reads, why)
    at = known[known["realised_rate"] == rate]
    return Pick(at["in_domain"].idxmax(), reads, "a knee of raw points: one noisy trial can move it far")


def cross_domain(points: pd.DataFrame, options: Options) -> Pick:
    """The best cross-domain metric among the rates whose in-domain metric is within the tolerance of the best."""
    reads, used = ("in_domain", "cross_domain"), {"tolerance": options.tolerance}
    known = points.dropna(subset=["in_domain"])
    good = known[known["in_domain"] >= known["in_domain"].max() - options.tolerance - SLACK]
    good = good.dropna(subset=["cross_domain"])
    if good.empty:
        why = (
            f"no candidate within the tolerance has a cross-domain {options.measure.title}: no other vendor was scored"
        )
        return Pick(None, reads, why, used)
    return Pick(_smallest(good[good["cross_domain"] >= good["cross_domain"].max() - SLACK]), reads, parameters=used)


def one_se(points: pd.DataFrame, options: Options) -> Pick:
    """The smallest rate within one standard error of the best in-domain metric (Breiman et al., CART, 1984)."""
    reads = ("in_domain",)
    known = points.dropna(subset=["in_domain", "in_domain_se"]) if "in_domain_se" in points else points.iloc[:0]
    if known.empty:
        return Pick(None, reads, "no standard error: neither repeated seeds nor per-image scores")
    best = known.loc[known["in_domain"].idxmax()]
    good = known[known["in_domain"] >= best["in_domain"] - best["in_domain_se"] - SLACK]
    return Pick(_smallest(good), reads, parameters={"standard_error": float(best["in_domain_se"])})


def hypervolume(points: pd.DataFrame, options: Options) -> Pick:
    """The largest own share of the hypervolume of both metrics and the rate; an isolated rate has an easier time."""
    known, measure = points.dropna(subset=list(THREE)), options.measure
    values = known[list(THREE)].to_numpy(float)
    if known.empty:
        return Pick(None, TWO, f"no candidate has both {measure.plural}")
    nowhere = reference(THREE, measure.chance)
    shares = moocore.hv_contributions(values, ref=nowhere, maximise=[DIRECTIONS[n] for n in THREE])
    if not shares.max() > 0:
        return Pick(None, TWO, f"no candidate below rate 1 is better than chance on both {measure.plural}")
    return Pick(known.index[int(shares.argmax())], TWO)


def noninferior(points: pd.DataFrame, options: Options) -> Pick:
    """What the data prove: the smallest rate not worse than full sampling by the margin, on both metrics."""
    used = {"margin": options.margin}
    refused = points.attrs.get("refused", "no per-image validation scores, so nothing can be proven")
    if refused:
        return Pick(None, TWO, refused, used)
    return Pick(_smallest(points[points["proven"]]), TWO, points.attrs["proof"], used)


RULES: dict[str, Callable[[pd.DataFrame, Options], Pick]] = {
    "epsilon": epsilon,
    "knee": knee,
    "cross_domain": cross_domain,
    "one_se": one_se,
    "hypervolume": hypervolume,
    "noninferior": noninferior,
}

NO_ORACLE = frozenset({"noninferior"})  # rules that read the draws of validation scores, so can't choose on test


def candidates(configurations: pd.DataFrame, split: str | None = None) -> tuple[pd.DataFrame, str]:
    """Configurations -> them with the columns in_domain and cross_domain that may be read, and the split these are of.

    Validation wherever one row has an in-domain validation metric; test only when none has, or when asked for.
    """
    split = split or ("val" if configurations["val_in_domain"].notna().any() else "test")
    columns = {
        "in_domain": configurations[f"{split}_in_domain"],
        "cross_domain": configurations[f"{split}_cross_domain"],
    }
    return configurations.assign(**columns), split


def select(
    configurations: pd.DataFrame,
    vendor: str,
    rule: str,
    options: Options | None = None,
    family: str = "learned",
    split: str | None = None,
    curves: Any = None,
    proof: Proof | None = None,
) -> Selection:
    """Apply one rule to one vendor's configurations (already those of one family and full sampling).

    ``curves`` (of that split) replace the points where they could be fitted; a rate is always one that was trained.
    Without them the points are the curve. ``proof`` is what ``noninferior`` reads.
    ``split="test"`` asks for the oracle's choice. KeyError for a rule that is not in RULES. When nothing can be
    chosen the rate is NaN and the note says why.
    """
    options = options or Options()
    points, split = candidates(configurations, split)
    points, drawn = evidence(points, curves, proof if split == "val" else None, options)
    pick = RULES[rule](points, options)
    interval = _rate_interval(rule, points, drawn, options) if pick.row is not None else None
    notes = [pick.note] if pick.note else []
    lacking = int(points["in_domain"].isna().sum())
    if 0 < lacking < len(points):
        named = f"in-domain {split} {options.measure.title}"
        notes.append(f"{lacking} of {len(points)} configurations have no {named} and were not candidates")
    chosen = None if pick.row is None else points.loc[pick.row]
    full = points[points["full"].astype(bool)]
    if full.empty:
        notes.append("full sampling (rate 1) was not run: what is lost against it is unknown")
    target = "cross_domain" in pick.reads
    return Selection(
        rule=rule,
        vendor=vendor,
        family=family,
        rate=math.nan if chosen is None else float(chosen["realised_rate"]),
        interval=interval,
        values={} if chosen is None else _values(chosen),
        full_sampling=_values(full.iloc[0]) if len(full) else {},
        configuration={} if chosen is None else _fields(chosen),
        keys=() if chosen is None else tuple(chosen["keys"]),
        columns_read=tuple(f"{split}_{name}" for name in pick.reads),
        oracle=split == "test",
        saw="oracle" if split == "test" else "target-validation" if target else "source-validation",
        parameters=pick.parameters,
        note="; ".join(notes),
        not_worse={} if chosen is None else _not_worse(points, pick.row, drawn, options.tolerance),
    )


def evidence(
    points: pd.DataFrame, curves: Any, proof: Proof | None, options: Options
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The points with the curves' values in place of their own, and (D, n) draws by endpoint."""
    points, drawn = points.copy(), {}
    if "val_in_domain_sd" in points:
        points["in_domain_se"] = points["val_in_domain_sd"] / np.sqrt(points["seeds"].astype(float))
    for domain, curve in zip(TWO, curves or ()):
        known = points[domain].notna()
        if curve is None or not known.all():
            continue
        rates = points["realised_rate"].to_numpy(float)
        points[domain], drawn[domain] = curve.at(rates), curve.draws_at(rates)
    if "in_domain" in drawn:
        points["in_domain_se"] = drawn["in_domain"].std(axis=0)
    if proof is not None:
        points["proven"] = points["configuration"] == proof.configuration
        # a note has no full stop: who shows it sets one
        points.attrs |= {"refused": proof.refused, "proof": account(proof, options.measure).removesuffix(".")}
    return points, drawn


def _rate_interval(rule: str, points: pd.DataFrame, drawn: dict, options: Options) -> tuple[float, float] | None:
    """5 % and 95 % of the rates that the rule takes on draws of the curves; None without them, or for a test."""
    if rule == "noninferior" or "in_domain" not in drawn:
        return None
    rates = []
    # the few columns that a rule reads, all of one type: a table of every field costs ten times as much to filter
    read = points[[name for name in READ if name in points]].astype(float)
    for number in range(RATE_DRAWS):
        row = RULES[rule](read.assign(**{domain: draws[number] for domain, draws in drawn.items()}), options).row
        rates += [] if row is None else [float(points.loc[row, "realised_rate"])]
    if len(rates) < RATE_DRAWS / 2:
        return None
    low, high = np.quantile(rates, [0.05, 0.95], method="inverted_cdf")
    return float(low), float(high)


def _not_worse(points: pd.DataFrame, row: Any, drawn: dict, tolerance: float) -> dict[str, float]:
    full = np.flatnonzero(points["full"].astype(bool))
    if not len(full) or not drawn:
        return {}
    at = points.index.get_loc(row)
    held = {domain: draws[:, full[0]] - draws[:, at] <= tolerance for domain, draws in drawn.items()}
    found = {domain: float(values.mean()) for domain, values in held.items()}
    return found | ({"both": float(np.logical_and.reduce(list(held.values())).mean())} if len(held) == 2 else {})


def _smallest(points: pd.DataFrame) -> Any:
    """The row of the smallest rate; of equal rates, the better in-domain metric."""
    return points.sort_values(["realised_rate", "in_domain"], ascending=[True, False], kind="stable").index[0]


def _values(row: pd.Series) -> dict[str, float]:
    names = [*SCORES, *(f"{n}_sd" for n in SCORES), "realised_rate", "distinct_rate", "seeds"]
    computed = [n for n in row.index if str(n).startswith("difference_") or str(n).endswith(("_low", "_high"))]
    return {name: float(row[name]) for name in [*names, *computed]}


def _fields(row: pd.Series) -> dict[str, Any]:
    names = ("sampling_rate", "mask", "mask.temperature", "mask.budget", "pattern", "transform", "reconstruction")
    names += ("classifier", "rate_from")
    return {plain_name(n): None if pd.isna(row.get(n)) else row[n] for n in names}
