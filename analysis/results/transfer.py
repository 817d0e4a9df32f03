"""Transfer loss: what a model loses on a vendor's test images because it was trained on another vendor's.

S[test vendor, trained on it] - S[test vendor, trained on the other], on the same images, so that their difficulty
cancels; in-domain minus cross-domain metric of one model compares different patients. By rate it is the study's
question: does a lower rate shrink the loss? Only configurations that were trained on both vendors can be compared.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis.read.configurations import FULL, full_sampling_of, settings_of
from analysis.read.trial_rows import config_fields
from analysis.statistics.bootstrap import Interval, Resampled, TrialDraws, average
from analysis.statistics.estimate import Estimate, estimate
from tune_ks.core.domains import is_source

COLUMNS = [
    *("tested on", "trained on", "mask", "settings", "rate", "seeds", "loss", "low", "high"),
    *("less than at full sampling", "its low", "its high", "about"),
]
RATE, TRAININGS = "the rate", "these trainings"


class Pair(NamedTuple):
    """The trainings of one configuration on a test vendor and on another, scored on the test vendor's images."""

    tested_on: str
    trained_on: str  # the other vendor
    row: dict[str, Any]  # of the configuration that was trained on the test vendor
    at_home: list[Resampled]
    from_afar: list[Resampled]


def transfer_loss(table: pd.DataFrame, draws: Mapping[str, TrialDraws]) -> pd.DataFrame:
    """``table``: the configurations of all vendors -> COLUMNS, a row a pair of vendors and rate, full sampling last.

    "less than at full sampling": by how much the loss there is larger; above 0 the lower rate shrinks it. Intervals
    are over patients and seeds; with one seed on a side they are over patients only, about "these trainings".
    """
    settings = settings_of(table)
    rows = []
    for pairs in _by_setting(table, draws):
        full = next((pair for pair in pairs if pair.row["full"]), None)
        rows += [_row(pair, full) | {"settings": settings[pair.row["configuration"]] or None} for pair in pairs]
    # the curves of several mask families end in one full sampling
    return pd.DataFrame(rows, columns=COLUMNS).drop_duplicates(ignore_index=True)


def _by_setting(table: pd.DataFrame, draws: Mapping[str, TrialDraws]) -> Iterator[list[Pair]]:
    """The pairs of each two vendors that agree in everything but the rate, by rate.

    A setting is compared with the full sampling that has its other fields; where there are several, nothing is.
    """
    reference = dict(zip(table["configuration"], full_sampling_of(table)))
    for tested_on in sorted(table["vendor"].unique()):
        for trained_on in sorted(table["vendor"].unique()):
            if is_source(tested_on, trained_on):
                continue
            pairs = list(pairs_between(table, draws, tested_on, trained_on))
            below = [pair for pair in pairs if not pair.row["full"]]
            full = [pair for pair in pairs if pair.row["full"]]
            names = [(pair.row["family"], reference[pair.row["configuration"]]) for pair in below]
            for name in dict.fromkeys(names):
                of_name = [pair for pair, of_pair in zip(below, names) if of_pair == name]
                beside = [pair for pair in full if pair.row["configuration"] == name[1]]
                yield [*of_name, *(beside if len(beside) == 1 else [])]
            if not below:
                for pair in full:
                    yield [pair]


def pairs_between(
    table: pd.DataFrame, draws: Mapping[str, TrialDraws], tested_on: str, trained_on: str
) -> Iterator[Pair]:
    """The configurations that differ in nothing but the vendor trained on."""
    role = ("test", tested_on)
    shared = [name for name in config_fields(table) if name not in ("vendor", "seed")]
    others = {}
    for row in table[table["vendor"] == trained_on].to_dict("records"):
        others[_values(row, shared)] = row
    for row in table[table["vendor"] == tested_on].sort_values("realised_rate", kind="stable").to_dict("records"):
        other = others.get(_values(row, shared))
        if other is None:
            continue
        at_home = _scores(row["keys"], draws, role)
        from_afar = _scores(other["keys"], draws, role)
        if at_home and from_afar:
            yield Pair(tested_on, trained_on, row, at_home, from_afar)


def _values(row: dict[str, Any], names: list[str]) -> tuple:
    """What is asked, without the mask's fields at full sampling, where they mean nothing."""
    if row["full"]:
        names = [name for name in names if name.partition(".")[0] not in ("mask", "pattern", "sampling_rate")]
    values = [row[name] for name in names]
    return (bool(row["full"]), *("" if value is None or value != value else value for value in values))


def _scores(keys: list[str], draws: Mapping[str, TrialDraws], role: tuple[str, str]) -> list[Resampled]:
    scores = [draws.get(key, {}).get(role) for key in keys]
    return [score for score in scores if score is not None and math.isfinite(score.error)]


def _row(pair: Pair, full: Pair | None) -> dict:
    loss = estimate(pair.at_home, pair.from_afar)
    ends = loss.interval()
    row = {
        "tested on": pair.tested_on,
        "trained on": pair.trained_on,
        "mask": FULL if pair.row["full"] else pair.row["family"],
        "rate": float(pair.row["realised_rate"]),
        "seeds": loss.seeds,
        "loss": loss.point,
        "low": ends.low,
        "high": ends.high,
        "about": TRAININGS if math.isnan(loss.of_trainings) else RATE,
    }
    if full is not None and not pair.row["full"]:
        less, of_less = less_than(pair, full)
        row |= {"less than at full sampling": less.point, "its low": of_less.low, "its high": of_less.high}
        if math.isnan(less.of_trainings):
            row["about"] = TRAININGS
    return row


def less_than(pair: Pair, full: Pair) -> tuple[Estimate, Interval]:
    """The loss at full sampling minus that of the pair: four groups of trainings on the same patients."""
    at_full = estimate(full.at_home, full.from_afar)
    here = estimate(pair.at_home, pair.from_afar)
    value = (average(full.at_home) - average(full.from_afar)) - (average(pair.at_home) - average(pair.from_afar))
    of_trainings = math.hypot(at_full.of_trainings, here.of_trainings)
    spread = sum(known.of_trainings**4 / known.freedom for known in (at_full, here) if known.of_trainings > 0)
    less = here._replace(
        point=value.point,
        of_patients=value.error,
        of_trainings=of_trainings,
        freedom=of_trainings**4 / spread if spread > 0 else math.inf,
        floor=-2.0 if math.isfinite(value.floor) else value.floor,
    )
    return less, less.interval()


def sentences(losses: pd.DataFrame, title: str) -> list[str]:
    """A line for each two vendors: the loss at full sampling, and whether a lower rate shrinks it."""
    lines = []
    for (tested_on, trained_on), part in losses.groupby(["tested on", "trained on"], sort=False):
        full = part[part["mask"] == FULL]
        said = []
        if len(full):
            row = full.sort_values("settings", na_position="first", kind="stable").iloc[0]  # the plain one where it is
            said.append(f"at full sampling {row['loss']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]")
        below = part[part["mask"] != FULL]
        known = below[below["its low"].notna()]
        if len(below):
            said.append(f"at lower rates {below['loss'].min():+.3f} to {below['loss'].max():+.3f}")
        if len(known):
            said.append(_how_many(known))
        lines.append(f"Transfer loss on {tested_on} of training on {trained_on}, test {title}: {'; '.join(said)}.")
    return lines


def _how_many(known: pd.DataFrame) -> str:
    shrunk = known["its low"] > 0
    grown = known["its high"] < 0
    words = "by intervals over patients and seeds"
    if (known["about"] == TRAININGS).any():
        words = "by intervals over patients, of these trainings"
    many = "rates" if known["settings"].isna().all() else "masks and settings"
    return (
        f"smaller than at full sampling in {shrunk.sum()} and larger in {grown.sum()} of {len(known)} {many}, {words}"
    )
