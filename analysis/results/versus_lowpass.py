"""Does the learned mask beat low-pass? Differences at equal realised rate, on the same test patients.

Each mask family below rate 1 is compared with the low-pass that agrees with it in everything but the mask. Intervals
are over patients and trainings (analysis.statistics.estimate). The statement about a learned mask rests on the mean of
its differences over the rates, and on Holm's correction for all such statements of the run.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.read.configurations import beside_the_mask, low_pass_of, of_most_patients, plain_name
from analysis.results.sentences import DOMAINS, difference_words
from analysis.statistics.bootstrap import LEVEL, NOWHERE, Interval, TrialDraws
from analysis.statistics.estimate import Estimate, Noise, Pair, estimate, mean_difference
from analysis.statistics.multiple import holm
from analysis.statistics.training_noise import seeds_of
from tune_ks.core.config import LOW_PASS
from tune_ks.core.domains import source_words
from tune_ks.core.rate_words import rate_words

CHANCE = 1 - LEVEL  # share of intervals that leave out 0 where no mask differs from the low-pass; the level of Holm too
COLUMNS = [
    *("vendor", "family", "learned", "configuration", "low_pass", "sampling_rate", "rate", "low_pass_rate", "domain"),
    *("seeds", "patients", "value", "low_pass_value", "difference", "low", "high", "of_patients", "of_trainings"),
    *("p_value", "in_headline", "holm"),
]
MEANS = [
    *("vendor", "family", "domain", "rates", "lowest", "highest", "seeds", "difference", "low", "high"),
    *("of_trainings", "p_value", "holm"),
]
ADD = "add {masks} to the space with the rates {rates}, and run the search again with --run RUN: finished trials stay"

FEW = 2  # learned families whose numbers all stand in the headline
LOW_PASS_WORDS = f'"mask": "{LOW_PASS}"'


class VersusLowpass(NamedTuple):
    """The comparisons of a run."""

    rows: pd.DataFrame  # COLUMNS: one row a configuration and domain
    means: pd.DataFrame  # MEANS: one row a vendor, learned family and domain, over the rates of the headline
    absent: dict[str, str]  # vendor -> why no learned mask of it is compared, and what to run


def versus_lowpass(
    configurations: pd.DataFrame,
    draws: Mapping[str, TrialDraws],
    noise: Mapping[tuple[str, str], Noise | None],
) -> VersusLowpass:
    """``configurations`` of all vendors; ``noise``: (vendor, domain) -> the error of one training.

    A row in the headline is of a learned mask. Where a family has several pairs at one rate (other temperatures, other
    networks), it is the pair with the best in-domain validation metric; test metrics choose nothing. ``holm`` is the
    adjusted p value, over all rows of the headline in ``rows``, and over all of ``means`` there; else NaN.
    """
    rows: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    absent = {}
    for vendor, table in configurations.groupby("vendor"):
        of_vendor = of_most_patients(table)
        compared = list(_rows(of_vendor, draws, noise))
        rows += compared
        means += _means(compared, of_vendor, draws, noise)
        if not any(row["in_headline"] for row in compared):
            absent[str(vendor)] = f"{source_words(vendor)}: {_why_absent(of_vendor, compared)}"
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["holm"] = holm(frame["p_value"].where(frame["in_headline"].astype(bool)).to_numpy(float))
    mean_frame = pd.DataFrame(means, columns=MEANS)
    mean_frame["holm"] = holm(mean_frame["p_value"].to_numpy(float))
    return VersusLowpass(frame, mean_frame, absent)


def _rows(
    table: pd.DataFrame, draws: Mapping[str, TrialDraws], noise: Mapping[tuple[str, str], Noise | None]
) -> Iterator[dict[str, Any]]:
    """One vendor's comparisons by family and rate; in the headline where they are the best of their rate."""
    by_name = table.set_index("configuration")
    pairs = []
    for name, low_pass in zip(table["configuration"], low_pass_of(table)):
        if low_pass is not None and by_name.loc[name, "mask"] != LOW_PASS:
            pairs.append((name, low_pass))
    shown = _of_the_headline(pairs, by_name)
    for name, low_pass in pairs:
        for domain in DOMAINS:
            about = _compared(name, low_pass, by_name, domain, draws, noise)
            is_known = not math.isnan(about["difference"])
            yield about | {"in_headline": name in shown and is_known}


def _of_the_headline(pairs: Sequence[tuple[str, str]], by_name: pd.DataFrame) -> set[str]:
    """The learned configurations that stand for their family and rate; rates trained separately before all others."""
    best: dict[tuple, tuple] = {}
    for name, low_pass in pairs:
        row = by_name.loc[name]
        if not row["learned"]:
            continue
        both = row["val_in_domain"] + by_name.loc[low_pass, "val_in_domain"]
        place = (row["family"], by_name.loc[low_pass, "realised_rate"])
        merit = (bool(pd.isna(row["rate_from"])), -math.inf if math.isnan(both) else both)
        if place not in best or merit > best[place][0]:
            best[place] = merit, name
    return {name for _, name in best.values()}


def _compared(
    name: str,
    low_pass: str,
    by_name: pd.DataFrame,
    domain: str,
    draws: Mapping[str, TrialDraws],
    noise: Mapping[tuple[str, str], Noise | None],
) -> dict[str, Any]:
    """One configuration minus its low-pass in one domain."""
    row = by_name.loc[name]
    other = by_name.loc[low_pass]
    value = float(row[f"test_{domain}"])
    low_pass_value = float(other[f"test_{domain}"])
    known = _estimate(_pair(row, other, domain, draws), noise.get((row["vendor"], domain)))
    ends = NOWHERE if known is None else known.interval()
    return {
        "vendor": row["vendor"],
        "family": row["family"],
        "learned": bool(row["learned"]),
        "configuration": name,
        "low_pass": low_pass,
        "sampling_rate": float(row["sampling_rate"]),
        "rate": float(row["realised_rate"]),
        "low_pass_rate": float(other["realised_rate"]),
        "domain": domain,
        "seeds": int(min(row["seeds"], other["seeds"]) if known is None else known.seeds),
        "patients": 0 if known is None else int(known.patients),
        "value": value,
        "low_pass_value": low_pass_value,
        "difference": value - low_pass_value if known is None else known.point,
        "low": ends.low,
        "high": ends.high,
        "of_patients": math.nan if known is None else known.of_patients,
        "of_trainings": math.nan if known is None else known.of_trainings,
        "p_value": math.nan if known is None else known.p_value(),
    }


def _pair(row: pd.Series, other: pd.Series, domain: str, draws: Mapping[str, TrialDraws]) -> Pair:
    vendor = str(row["vendor"])
    seeds, others = (seeds_of(side["keys"], draws, vendor, "test", domain) for side in (row, other))
    return Pair(seeds, others)


def _estimate(pair: Pair, noise: Noise | None) -> Estimate | None:
    """None where one side has no score on resampled patients."""
    return estimate(pair.seeds, pair.others, noise) if pair.seeds and pair.others else None


def _means(
    compared: Sequence[dict[str, Any]],
    table: pd.DataFrame,
    draws: Mapping[str, TrialDraws],
    noise: Mapping[tuple[str, str], Noise | None],
) -> list[dict[str, Any]]:
    """One vendor's mean over rates of the differences in the headline, by family and domain."""
    by_name = table.set_index("configuration")
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in compared:
        if row["in_headline"]:
            grouped.setdefault((row["family"], row["domain"]), []).append(row)
    means = []
    for (family, domain), rows in grouped.items():
        pairs = [_pair(by_name.loc[r["configuration"]], by_name.loc[r["low_pass"]], domain, draws) for r in rows]
        is_known = all(pair.seeds and pair.others for pair in pairs)
        known = mean_difference(pairs, noise.get((rows[0]["vendor"], domain))) if is_known else None
        ends = NOWHERE if known is None else known.interval()
        means.append(
            {
                "vendor": rows[0]["vendor"],
                "family": family,
                "domain": domain,
                "rates": len(rows),
                "lowest": min(row["rate"] for row in rows),
                "highest": max(row["rate"] for row in rows),
                "seeds": min(row["seeds"] for row in rows),
                "difference": sum(row["difference"] for row in rows) / len(rows),
                "low": ends.low,
                "high": ends.high,
                "of_trainings": math.nan if known is None else known.of_trainings,
                "p_value": math.nan if known is None else known.p_value(),
            }
        )
    return means


# ------------------------------------------------------------------------------------------------ what is absent


def _why_absent(table: pd.DataFrame, compared: Sequence[dict[str, Any]]) -> str:
    """Why no learned mask of a vendor is compared with the low-pass, and what to run."""
    below = table[~table["full"].astype(bool)]
    learned = below[below["learned"].astype(bool)]
    low_pass = below[below["mask"] == LOW_PASS]
    if len(below) and (below["epochs"] == 0).all():
        return "no network was trained, so no mask was learned."
    if learned.empty and low_pass.empty:
        return f"neither a learned mask nor the low-pass was trained below rate 1; {_add('both', 'of interest')}."
    if learned.empty:
        return f"no learned mask was trained beside the low-pass; {_add('a learned mask', _rates(low_pass))}."
    if low_pass.empty:
        return f"no low-pass was trained beside the learned mask; {_add(LOW_PASS_WORDS, _rates(learned))}."
    if any(row["learned"] for row in compared):
        return "no test metric of the learned mask or of the low-pass is known, so they are not compared."
    apart = [name for name in beside_the_mask(table) if set(learned[name]).isdisjoint(low_pass[name])]
    if apart:
        named = ", ".join(plain_name(name) for name in apart)
        return (
            f"the learned mask and the low-pass were trained with other settings ({named}): train both with the same."
        )
    return (
        f"no low-pass was trained at a rate of the learned mask with the same settings (low-pass: {_rates(low_pass)}); "
        f"{_add(LOW_PASS_WORDS, _rates(learned))}."
    )


def _add(masks: str, rates: str) -> str:
    return ADD.format(masks=masks, rates=rates)


def _rates(table: pd.DataFrame) -> str:
    """The realised rates of a table, as a space takes them; of many, the first and the last."""
    rates = sorted(set(table["realised_rate"].round(3)))
    if len(rates) > 8:
        return f"{rates[0]:g} to {rates[-1]:g}"
    return ", ".join(f"{rate:g}" for rate in rates)


# ------------------------------------------------------------------------------------------------ in words


def headline(versus: VersusLowpass, vendor: str, title: str) -> str:
    """Whether the learned mask of a vendor beats low-pass, or what to run. ``title``: of the metric."""
    if vendor in versus.absent:
        return versus.absent[vendor]
    means = versus.means[versus.means["vendor"] == vendor]
    families = [_of_family(str(name), of_family, title) for name, of_family in means.groupby("family", sort=False)]
    if len(families) > FEW:
        families = [_clearest(means, title)]
    return " ".join([f"{source_words(vendor)}: {verdict(means)}.", *families, *_about_trainings(means)])


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
    return f"{source_words(vendor)}: {left_out(known)} After Holm's correction for all {number} of this run {remains}."


def lines(versus: VersusLowpass, title: str) -> list[str]:
    """A line a vendor: its headline and its single rates."""
    vendors = sorted(map(str, {*versus.rows["vendor"], *versus.absent}))
    said = []
    for vendor in vendors:
        rest = single_rates(versus, vendor).removeprefix(f"{source_words(vendor)}: ")
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
    """Of many families, the difference with the smallest p value; without any, the largest one."""
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
