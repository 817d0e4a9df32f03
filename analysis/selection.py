"""Rules that choose a sampling rate, and what each was allowed to see.

A rule is one function of a table of candidates and one entry in RULES. It reads the columns in_domain, cross_domain
and realised_rate; whether those are validation or test scores is decided here, in one place, and said.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from analysis.load import SCORES
from analysis.pareto import knee as knee_of

EPSILON = 0.02  # AUC; the source study's own choice needs 0.024 to 0.058
TOLERANCE = 0.02
MARGIN = 0.02
SLACK = 1e-9  # 0.902 - 0.024 must not lose to 0.878 in the last bit


class Options(NamedTuple):
    """What a user may set; each rule takes what it needs."""

    epsilon: float = EPSILON  # AUC that may be lost in-domain for a smaller rate
    tolerance: float = TOLERANCE  # AUC that may be lost in-domain for a better cross-domain one
    margin: float = MARGIN  # AUC by which a rate may be worse than full sampling and still count as proven


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
    values: dict[str, float]  # mean over seeds of SCORES, their _sd, and test intervals where there are any
    full_sampling: dict[str, float]  # the same at rate 1; {} when it was not run
    configuration: dict[str, Any]  # config fields of the choice; {} when there is none
    keys: tuple[str, ...]  # its trials
    columns_read: tuple[str, ...]
    oracle: bool  # True: test columns chose, so its test AUC is biased upward
    saw: str  # source-validation | target-validation | oracle
    parameters: dict[str, float]
    note: str


def epsilon(points: pd.DataFrame, options: Options) -> Pick:
    """The smallest rate whose in-domain AUC is within epsilon of the best."""
    reads, used = ("in_domain",), {"epsilon": options.epsilon}
    known = points.dropna(subset=["in_domain"])
    if known.empty:
        return Pick(None, reads, "no candidate has an in-domain AUC", used)
    good = known[known["in_domain"] >= known["in_domain"].max() - options.epsilon - SLACK]
    return Pick(_smallest(good), reads, parameters=used)


def knee(points: pd.DataFrame, options: Options) -> Pick:
    """The knee of the best in-domain AUC reached by each rate (Kneedle)."""
    reads = ("in_domain",)
    known = points.dropna(subset=["in_domain"])
    rate = knee_of(known["realised_rate"].to_numpy(float), known["in_domain"].to_numpy(float))
    if rate is None:
        return Pick(None, reads, "no knee: fewer than four rates, or the in-domain AUC does not rise and level off")
    at = known[known["realised_rate"] == rate]
    return Pick(at["in_domain"].idxmax(), reads, "a knee of raw points: one noisy trial can move it far")


def cross_domain(points: pd.DataFrame, options: Options) -> Pick:
    """The best cross-domain AUC among the rates whose in-domain AUC is within the tolerance of the best."""
    reads, used = ("in_domain", "cross_domain"), {"tolerance": options.tolerance}
    known = points.dropna(subset=["in_domain"])
    good = known[known["in_domain"] >= known["in_domain"].max() - options.tolerance - SLACK]
    good = good.dropna(subset=["cross_domain"])
    if good.empty:
        why = "no candidate within the tolerance has a cross-domain AUC: no other vendor was scored"
        return Pick(None, reads, why, used)
    return Pick(_smallest(good[good["cross_domain"] >= good["cross_domain"].max() - SLACK]), reads, parameters=used)


RULES: dict[str, Callable[[pd.DataFrame, Options], Pick]] = {
    "epsilon": epsilon,
    "knee": knee,
    "cross_domain": cross_domain,
}


def candidates(configurations: pd.DataFrame, split: str | None = None) -> tuple[pd.DataFrame, str]:
    """Configurations -> them with the columns in_domain and cross_domain that may be read, and the split these are of.

    Validation wherever one row has an in-domain validation AUC; test only when none has, or when asked for.
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
) -> Selection:
    """Apply one rule to one vendor's configurations (already those of one family and full sampling).

    ``split="test"`` asks for the oracle's choice. KeyError for a rule that is not in RULES. When nothing can be
    chosen the rate is NaN and the note says why.
    """
    options = options or Options()
    points, split = candidates(configurations, split)
    pick = RULES[rule](points, options)
    notes = [pick.note] if pick.note else []
    lacking = int(points["in_domain"].isna().sum())
    if 0 < lacking < len(points):
        notes.append(f"{lacking} of {len(points)} configurations have no in-domain {split} AUC and were not candidates")
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
        interval=None,
        values={} if chosen is None else _values(chosen),
        full_sampling=_values(full.iloc[0]) if len(full) else {},
        configuration={} if chosen is None else _fields(chosen),
        keys=() if chosen is None else tuple(chosen["keys"]),
        columns_read=tuple(f"{split}_{name}" for name in pick.reads),
        oracle=split == "test",
        saw="oracle" if split == "test" else "target-validation" if target else "source-validation",
        parameters=pick.parameters,
        note="; ".join(notes),
    )


def _smallest(points: pd.DataFrame) -> Any:
    """The row of the smallest rate; of equal rates, the better in-domain AUC."""
    return points.sort_values(["realised_rate", "in_domain"], ascending=[True, False], kind="stable").index[0]


def _values(row: pd.Series) -> dict[str, float]:
    names = [*SCORES, *(f"{n}_sd" for n in SCORES), "realised_rate", "distinct_rate", "seeds"]
    ends = [n for n in row.index if str(n).endswith(("_low", "_high"))]
    return {name: float(row[name]) for name in [*names, *ends]}


def _fields(row: pd.Series) -> dict[str, Any]:
    names = ("sampling_rate", "mask", "temperature", "budget", "pattern", "transform", "reconstruction", "classifier")
    return {n: None if pd.isna(row[n]) else row[n] for n in names}
