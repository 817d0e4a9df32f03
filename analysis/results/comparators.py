"""Does a mask beat the obvious? Harmonised images, styles in training and masks, each against plain full sampling.

A comparator is a setting that is said to make a network work on another vendor's images: a harmonisation, a style,
MixStyle, or an invariance between several source vendors. Every configuration that has one, and every mask, is compared
with full sampling that has none and agrees in everything else, on the same test patients. Intervals are over patients
and trainings (analysis.statistics.estimate). Holm's correction is for all statements about the transfer loss of the
run, and for all about metrics.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis.read.configurations import FULL, beside_the_sampling, same_values
from analysis.results.sentences import DOMAINS
from analysis.results.transfer import Pair, less_than, pairs_between
from analysis.results.versus_lowpass import CHANCE
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.estimate import Noise, estimate
from analysis.statistics.multiple import holm
from analysis.statistics.training_noise import seeds_of
from tune_ks.core.domains import is_source
from tune_ks.core.rate_words import rate_words

PLAIN: dict[str, Any] = {  # setting -> without it
    "harmonise": "none",
    "style": "none",
    "invariance": "none",
    "classifier.mixstyle": 0.0,
    "mask_jitter": 0.0,
}
WORDS = {"classifier.mixstyle": "MixStyle", "mask_jitter": "mask jitter"}  # of the settings that are numbers
OPTIONS = ("harmonise.", "style.", "invariance.")  # how the options of such settings begin
ROWS = [
    *("vendor", "comparator", "sampling", "domain", "seeds", "value", "difference", "low", "high", "p_value", "holm"),
]
LOSSES = [
    *("tested on", "trained on", "comparator", "sampling", "seeds", "loss", "less", "low", "high", "p_value", "holm"),
]


class Comparators(NamedTuple):
    """The comparisons of a run; both tables are empty where it holds no comparator."""

    rows: pd.DataFrame  # ROWS: one row a configuration and domain, as differences to plain full sampling
    losses: pd.DataFrame  # LOSSES: one row a configuration and pair of vendors; ``less`` above 0: it shrinks the loss


def comparators(
    configurations: pd.DataFrame,
    draws: Mapping[str, TrialDraws],
    noise: Mapping[tuple[str, str], Noise | None],
) -> Comparators:
    """``configurations`` of all vendors; ``noise``: (vendor, domain) -> the error of one training."""
    rows: list[dict[str, Any]] = []
    losses: list[dict[str, Any]] = []
    if any(comparator_of(row) for row in configurations.to_dict("records")):
        rows = list(_rows(configurations, draws, noise))
        losses = list(_losses(configurations, draws))
    of_metrics = pd.DataFrame(rows, columns=ROWS)
    of_metrics["holm"] = holm(of_metrics["p_value"].to_numpy(float))
    of_losses = pd.DataFrame(losses, columns=LOSSES)
    of_losses["holm"] = holm(of_losses["p_value"].to_numpy(float))
    return Comparators(of_metrics, of_losses)


def comparator_of(row: Mapping[str, Any]) -> str:
    """The comparators of a configuration in words: "nyul", "gamma", "MixStyle"; "" for none."""
    names = []
    for name, without in PLAIN.items():
        value = row.get(name, without)
        if value != without and value == value:  # NaN: another network has no such option
            names.append(WORDS.get(name, str(value).replace("_", " ")))
    return ", ".join(names)


def sampling_of(row: Mapping[str, Any]) -> str:
    """full sampling, or the mask with its rate."""
    return FULL if row["full"] else f"{row['mask']} {rate_words(row['realised_rate'])}"


def _rows(
    table: pd.DataFrame, draws: Mapping[str, TrialDraws], noise: Mapping[tuple[str, str], Noise | None]
) -> Iterator[dict[str, Any]]:
    """Every configuration minus the plain full sampling that agrees with it, in both domains."""
    group = _beside_comparators(table)
    records = table.to_dict("records")
    plain = {place: row for place, row in zip(group, records) if _is_plain(row)}
    for place, row in zip(group, records):
        if place not in plain or row is plain[place]:
            continue
        for domain in DOMAINS:
            vendor = row["vendor"]
            seeds = seeds_of(row["keys"], draws, vendor, "test", domain)
            others = seeds_of(plain[place]["keys"], draws, vendor, "test", domain)
            difference = estimate(seeds, others, noise.get((vendor, domain)))
            ends = difference.interval()
            yield {
                "vendor": vendor,
                "comparator": comparator_of(row),
                "sampling": sampling_of(row),
                "domain": domain,
                "seeds": difference.seeds,
                "value": float(row[f"test_{domain}"]),
                "difference": difference.point,
                "low": ends.low,
                "high": ends.high,
                "p_value": difference.p_value(),
            }


def _losses(table: pd.DataFrame, draws: Mapping[str, TrialDraws]) -> Iterator[dict[str, Any]]:
    """The transfer loss of every configuration, and how much less it is than that of plain full sampling."""
    for tested_on in sorted(table["vendor"].unique()):
        for trained_on in sorted(table["vendor"].unique()):
            if is_source(tested_on, trained_on):
                continue
            pairs = list(pairs_between(table, draws, tested_on, trained_on))
            plain = [pair for pair in pairs if _is_plain(pair.row)]
            for pair in pairs:
                yield _loss(pair, plain[0] if len(plain) == 1 else None)


def _loss(pair: Pair, plain: Pair | None) -> dict[str, Any]:
    loss = estimate(pair.at_home, pair.from_afar)
    row = {
        "tested on": pair.tested_on,
        "trained on": pair.trained_on,
        "comparator": comparator_of(pair.row),
        "sampling": sampling_of(pair.row),
        "seeds": loss.seeds,
        "loss": loss.point,
    }
    if plain is None or pair is plain:
        return row | dict.fromkeys(("less", "low", "high", "p_value"), math.nan)
    less, ends = less_than(pair, plain)
    return row | {"less": less.point, "low": ends.low, "high": ends.high, "p_value": less.p_value()}


def _is_plain(row: Mapping[str, Any]) -> bool:
    return bool(row["full"]) and not comparator_of(row)


def _beside_comparators(table: pd.DataFrame) -> list[int]:
    """Per row, a number that is the same where two agree in all but rate, mask, seed and comparators."""
    names = [name for name in beside_the_sampling(table) if name not in PLAIN and not name.startswith(OPTIONS)]
    return same_values(table, names)


def lines(comparators: Comparators, title: str) -> list[str]:
    """A sentence for each two vendors: which comparators are shown to shrink the transfer loss; [] without any."""
    said = []
    for (tested_on, trained_on), part in comparators.losses.groupby(["tested on", "trained on"], sort=False):
        compared = part[part["p_value"].notna()]
        plain = part[(part["sampling"] == FULL) & (part["comparator"] == "")]
        if compared.empty or plain.empty:
            continue
        shrink = compared[(compared["holm"] < CHANCE) & (compared["less"] > 0)]
        grow = compared[(compared["holm"] < CHANCE) & (compared["less"] < 0)]
        best = compared.loc[compared["less"].idxmax()]
        start = (
            f"Transfer loss on {tested_on} of training on {trained_on}, test {title}: "
            f"{plain['loss'].iloc[0]:+.3f} at plain full sampling."
        )
        names = _named(shrink)
        verdict = (
            f"these are shown to shrink it after Holm: {names}" if names else "none is shown to shrink it, after Holm"
        )
        worse = f"; to enlarge it: {_named(grow)}" if len(grow) else ""
        smallest = "the loss of each is at least that of full sampling"
        if best["less"] > 0:
            smallest = f"{name_of(best)} has the smallest loss, {best['loss']:+.3f}"
        said.append(f"{start} Of {len(compared)} comparators and masks {verdict}{worse}; {smallest}.")
    return said


def _named(rows: pd.DataFrame) -> str:
    return ", ".join(name_of(row) for row in rows.to_dict("records"))


def name_of(row: Mapping[str, Any]) -> str:
    """gamma; lowpass 1/8 (R = 8); nyul with lowpass 1/8 (R = 8)."""
    if not row["comparator"]:
        return str(row["sampling"])
    return str(row["comparator"]) if row["sampling"] == FULL else f"{row['comparator']} with {row['sampling']}"
