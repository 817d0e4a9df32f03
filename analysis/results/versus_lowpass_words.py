"""Whether the learned mask beats low-pass, in sentences."""

import math
from typing import Any

import pandas as pd

from analysis.results.sentences import DOMAINS, difference_words
from analysis.results.versus_lowpass import CHANCE, VersusLowpass
from analysis.statistics.bootstrap import Interval
from tune_ks.core.rate_words import rate_words

FEW = 2  # learned families whose numbers all stand in the headline


def headline(versus: VersusLowpass, vendor: str, title: str) -> str:
    """Whether the learned mask of a vendor beats low-pass, or what to run. ``title``: of the metric."""
    if vendor in versus.absent:
        return versus.absent[vendor]
    means = versus.means[versus.means["vendor"] == vendor]
    families = [_of_family(str(name), of_family, title) for name, of_family in means.groupby("family", sort=False)]
    if len(families) > FEW:
        families = [_clearest(means, title)]
    return " ".join([f"{vendor}: {verdict(means)}.", *families, *_about_trainings(means)])


def short(versus: VersusLowpass, vendor: str) -> str:
    """The headline without its numbers; "" where the two can not be compared."""
    means = versus.means[versus.means["vendor"] == vendor]
    if means.empty:
        return ""
    said = verdict(means)
    doubt = ", as far as one training each can tell" if _about_trainings(means) else ""
    return f"{said[0].upper()}{said[1:]}{doubt}."


def single_rates(versus: VersusLowpass, vendor: str) -> str:
    """How many intervals of single rates leave out 0, how many chance would give, and which hold after Holm.

    Empty where there are fewer than two rates, or no interval.
    """
    in_headline = versus.rows[versus.rows["in_headline"].astype(bool)]
    rows = in_headline[in_headline["vendor"] == vendor]
    known = rows[rows["low"].notna()]
    if rows["rate"].nunique() < 2 or known.empty:
        return ""
    held = [
        f"{row.family} at {rate_words(row.rate)} {DOMAINS[row.domain]} ({row.difference:+.3f})"
        for row in known[known["holm"] < CHANCE].itertuples()
    ]
    remains = f"{', '.join(held)} still does" if held else "none does"
    if len(held) > 1:
        remains = f"{', '.join(held)} still do"
    number = int(in_headline["p_value"].notna().sum())
    return f"{vendor}: {left_out(known)} After Holm's correction for all {number} of this run {remains}."


def lines(versus: VersusLowpass, title: str) -> list[str]:
    """A line a vendor: its headline and its single rates."""
    vendors = sorted(map(str, {*versus.rows["vendor"], *versus.absent}))
    said = []
    for vendor in vendors:
        rest = single_rates(versus, vendor).removeprefix(f"{vendor}: ")
        said.append(" ".join(filter(None, [headline(versus, vendor, title), rest])))
    return said


def verdict(means: pd.DataFrame) -> str:
    """What holds after Holm's correction, as the start of a sentence. ``means``: one vendor's."""
    said = []
    for name, of_family in means.groupby("family", sort=False):
        for kind in ("beats", "is worse than"):
            sign = 1 if kind == "beats" else -1
            holds = of_family[(of_family["holm"] < CHANCE) & (sign * of_family["difference"] > 0)]
            if len(holds):
                where = " and ".join(DOMAINS[domain] for domain in holds["domain"])
                said.append(f"the learned mask {name} {kind} low-pass {where}")
    if said:
        return "; ".join(said)
    names = list(dict.fromkeys(means["family"]))
    masks = f"the learned mask ({names[0]})" if len(names) == 1 else f"any of {len(names)} learned masks"
    if means["low"].isna().all():
        return f"whether {masks} beats low-pass is unknown: no interval can be computed"
    return f"these data do not separate {masks} from low-pass"


def _of_family(name: str, means: pd.DataFrame, title: str) -> str:
    """``gumbel minus low-pass, mean over 6 equal rates, test AUC: in-domain +0.003 [-0.004, +0.010], ...``"""
    numbers = [f"{DOMAINS[row.domain]} {_numbers(row)}" for row in means.itertuples()]
    return f"{_over(means.iloc[0], name)}, test {title}: {', '.join(numbers)}."


def _clearest(means: pd.DataFrame, title: str) -> str:
    """The difference of many families that has the smallest p value; where none has one, the largest."""
    order = means.assign(size=-means["difference"].abs()).sort_values(["p_value", "size"], kind="stable")
    row = next(order.itertuples())
    p_values = "" if math.isnan(row.p_value) else f" (p {row.p_value:.2g}, after Holm {row.holm:.2g})"
    over = _over(order.iloc[0], row.family)
    where = f"{over}, {DOMAINS[row.domain]} test {title}"
    return f"The clearest of {len(means)} differences: {where}: {_numbers(row)}{p_values}."


def _over(row: pd.Series, name: str) -> str:
    what = f"{name} minus low-pass"
    if row["rates"] > 1:
        return f"{what}, mean over {row['rates']} equal rates"
    return f"{what} at rate {rate_words(row['lowest'])}"


def _numbers(row: Any) -> str:
    return difference_words(row.difference, Interval(row.low, row.high))


def left_out(rows: pd.DataFrame) -> str:
    """How many intervals of ``rows`` leave out 0, and how many would where no mask differs from the low-pass."""
    known = rows[rows["low"].notna()]
    above = int((known["low"] > 0).sum())
    below = int((known["high"] < 0).sum())
    return (
        f"Of {len(known)} intervals of single rates {above + below} leave out 0 ({above} above, {below} below); "
        f"chance alone would give {CHANCE * len(known):.1f}."
    )


def _about_trainings(means: pd.DataFrame) -> list[str]:
    if not (means["low"].notna() & means["of_trainings"].isna()).any():
        return []
    return ["The intervals are over patients only: how far a further training would differ is unknown."]
