"""What peeking at the test labels would have bought: the oracle's choice beside the honest one, and beside the truth.

The gap is the oracle's test metric minus the honest choice's, on the same patients. Some of it is real (a better rate),
some is luck: the oracle's own optimism is by how much its metric would fall on new patients, estimated by letting the
rule choose on resampled test patients and scoring that choice on all of them (Efron, JASA 1983). It underestimates:
of equally good rates it finds 0.6 of the luck, as half the spread of a resample is the sample's own.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.choice.options import Options
from analysis.choice.rules import RULES
from analysis.choice.rules.base import Points
from analysis.choice.selection import Selection
from analysis.statistics.bootstrap import NOWHERE, Interval, Resampled, TrialDraws, interval
from analysis.statistics.pareto import TWO
from analysis.statistics.resampling import configuration_draws, domain_draws, paired

CHOICES = 100  # draws of patients in which the rule chooses


class Optimism(NamedTuple):
    """One honest choice against the oracle of the same rule."""

    vendor: str
    rule: str
    saw: str  # labels that the honest choice saw
    held_out: str
    rate: float
    oracle_rate: float
    gap: dict[str, float]  # domain -> the oracle's test metric minus the honest choice's
    gap_interval: dict[str, Interval]
    own: dict[str, float]  # domain -> the oracle's test metric minus what it would be on new patients; NaN unknown


def optimism(
    honest: Selection, oracle: Selection, table: pd.DataFrame, draws: dict[str, TrialDraws], options: Options
) -> Optimism | None:
    """``table``: the configurations both chose from. None where either chose none."""
    if not honest.keys or not oracle.keys:
        return None
    apart = paired(*(configuration_draws(list(s.keys), draws) for s in (oracle, honest)))
    gap, ends = {}, {}
    for domain in TWO:
        gap[domain] = oracle.values[f"test_{domain}"] - honest.values[f"test_{domain}"]
        found = domain_draws(apart, honest.vendor, "test", domain)
        ends[domain] = NOWHERE if found is None or oracle.keys == honest.keys else interval(found)
    own = own_optimism(honest.rule, honest.vendor, table, draws, options)
    return Optimism(
        vendor=honest.vendor,
        rule=honest.rule,
        saw=honest.saw,
        held_out=honest.held_out,
        rate=honest.rate,
        oracle_rate=oracle.rate,
        gap=gap,
        gap_interval=ends,
        own=own,
    )


def own_optimism(
    rule: str, vendor: str, table: pd.DataFrame, draws: dict[str, TrialDraws], options: Options
) -> dict[str, float]:
    """domain -> mean over draws of (metric of the draw's choice in the draw) - (its metric on all the test patients).

    The rule reads the points, not the curves. NaN where a configuration lacks per-image test scores.
    """
    averaged = [configuration_draws(keys, draws) for keys in table["keys"]]
    known: dict[str, list[Resampled]] = {}
    for domain in TWO:
        resampled = [domain_draws(averages, vendor, "test", domain) for averages in averaged]
        if all(value is not None for value in resampled):
            known[domain] = resampled
    unknown = dict.fromkeys(TWO, math.nan)
    if "in_domain" not in known:
        return unknown
    drawn = {domain: np.array([value.draws[:CHOICES] for value in values]) for domain, values in known.items()}
    whole = {domain: np.array([value.point for value in values]) for domain, values in known.items()}
    nothing = np.full(len(table), math.nan)
    points = Points(
        rate=table["realised_rate"].to_numpy(float),
        in_domain=nothing,
        cross_domain=nothing,
        in_domain_se=np.array([value.error for value in known["in_domain"]]),
        measure=options.measure,
        configuration=np.arange(len(table)),
    )
    gained: dict[str, list[float]] = {domain: [] for domain in known}
    for number in range(drawn["in_domain"].shape[1]):
        of_draw = replace(points, **{domain: values[:, number] for domain, values in drawn.items()})
        row = RULES[rule].pick(of_draw, options.values).row
        if row is None:
            continue
        for domain, values in drawn.items():
            gained[domain].append(values[row, number] - whole[domain][row])
    return unknown | {domain: float(np.nanmean(values)) for domain, values in gained.items() if values}
