"""Does the learned mask beat low-pass? Differences at equal realised rate, on the same test patients.

Each mask family below rate 1 is compared with the low-pass that agrees with it in everything but the mask. Intervals
are over patients and trainings (analysis.statistics.estimate). The statement about a learned mask rests on the mean of
its differences over the rates, and on Holm's correction for all such statements of the run.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.read.configurations import low_pass_of, of_most_patients
from analysis.results.sentences import DOMAINS
from analysis.results.without_lowpass import why_absent
from analysis.statistics.bootstrap import LEVEL, TrialDraws
from analysis.statistics.estimate import UNKNOWN, Noise, Pair, estimate, mean_difference
from analysis.statistics.multiple import holm
from analysis.statistics.training_noise import seeds_of
from tune_ks.core.config import LOW_PASS

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
            absent[str(vendor)] = f"{vendor}: {why_absent(of_vendor, compared)}"
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
    pair = _pair(row, other, domain, draws)
    difference = estimate(pair.seeds, pair.others, noise.get((row["vendor"], domain)))
    is_known = difference is not UNKNOWN
    ends = difference.interval()
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
        "seeds": difference.seeds if is_known else int(min(row["seeds"], other["seeds"])),
        "patients": int(difference.patients),
        "value": value,
        "low_pass_value": low_pass_value,
        "difference": difference.point if is_known else value - low_pass_value,
        "low": ends.low,
        "high": ends.high,
        "of_patients": difference.of_patients,
        "of_trainings": difference.of_trainings,
        "p_value": difference.p_value(),
    }


def _pair(row: pd.Series, other: pd.Series, domain: str, draws: Mapping[str, TrialDraws]) -> Pair:
    vendor = str(row["vendor"])
    seeds = seeds_of(row["keys"], draws, vendor, "test", domain)
    return Pair(seeds, seeds_of(other["keys"], draws, vendor, "test", domain))


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
        compared_names = [(row["configuration"], row["low_pass"]) for row in rows]
        pairs = [_pair(by_name.loc[name], by_name.loc[low_pass], domain, draws) for name, low_pass in compared_names]
        mean = mean_difference(pairs, noise.get((rows[0]["vendor"], domain)))
        ends = mean.interval()
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
                "of_trainings": mean.of_trainings,
                "p_value": mean.p_value(),
            }
        )
    return means
