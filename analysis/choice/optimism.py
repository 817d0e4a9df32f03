"""What choosing on test labels would gain: the choice on test scores (oracle) against the choice on validation scores.

The gap is the oracle's test metric minus the honest choice's, on the same patients. A part of it is real (a better
rate), a part is luck. The luck is by how much the oracle's metric would fall on new patients. To estimate it, the rule
chooses on resampled test patients, and that choice is scored on all of them (Efron, JASA 1983). The estimate is too
low: of equally good rates it finds 0.6 of the luck, as half the spread of a resample is that of the sample itself.
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
    luck: dict[str, float]  # domain -> the oracle's luck: its test metric minus that on new patients; NaN unknown


def gaps_to_oracle(
    selections: list[Selection], table: pd.DataFrame, draws: dict[str, TrialDraws], options: Options
) -> list[Optimism]:
    """Every honest choice among the selections against the oracle of the same rule, where both chose a rate."""
    learned = [selection for selection in selections if selection.family == "learned"]
    oracles = {selection.rule: selection for selection in learned if selection.oracle}
    gaps = []
    for selection in learned:
        if not selection.oracle and selection.rule in oracles:
            gap = optimism(selection, oracles[selection.rule], table, draws, options)
            gaps += [] if gap is None else [gap]
    return gaps


def optimism(
    honest: Selection, oracle: Selection, table: pd.DataFrame, draws: dict[str, TrialDraws], options: Options
) -> Optimism | None:
    """``table``: the configurations both chose from. None where either chose none."""
    if not honest.keys or not oracle.keys:
        return None
    apart = paired(configuration_draws(list(oracle.keys), draws), configuration_draws(list(honest.keys), draws))
    gap, ends = {}, {}
    for domain in TWO:
        gap[domain] = oracle.values[f"test_{domain}"] - honest.values[f"test_{domain}"]
        resampled = domain_draws(apart, honest.vendor, "test", domain)
        ends[domain] = NOWHERE if resampled is None or oracle.keys == honest.keys else interval(resampled)
    return Optimism(
        vendor=honest.vendor,
        rule=honest.rule,
        saw=honest.saw,
        held_out=honest.held_out,
        rate=honest.rate,
        oracle_rate=oracle.rate,
        gap=gap,
        gap_interval=ends,
        luck=oracle_luck(honest.rule, honest.vendor, table, draws, options),
    )


def oracle_luck(
    rule: str, vendor: str, table: pd.DataFrame, draws: dict[str, TrialDraws], options: Options
) -> dict[str, float]:
    """domain -> mean over draws of (metric of the draw's choice in the draw) - (its metric on all the test patients).

    The rule reads the points, not the curves. NaN where a configuration lacks per-image test scores.
    """
    scores = _test_scores(table, draws, vendor)
    luck = dict.fromkeys(TWO, math.nan)
    if "in_domain" not in scores:
        return luck
    unknown = np.full(len(table), math.nan)
    points = Points(
        rate=table["realised_rate"].to_numpy(float),
        in_domain=unknown,
        cross_domain=unknown,
        in_domain_se=np.array([score.error for score in scores["in_domain"]]),
        measure=options.measure,
        configuration=table.index.to_numpy(),
        in_domain_draws=np.stack([score.draws for score in scores["in_domain"]], axis=1),
    )
    draws_of = {domain: np.array([score.draws[:CHOICES] for score in by_rate]) for domain, by_rate in scores.items()}
    gained: dict[str, list[float]] = {domain: [] for domain in scores}
    for number in range(draws_of["in_domain"].shape[1]):
        drawn = {domain: values[:, number] for domain, values in draws_of.items()}
        of_draw = replace(points, in_domain=drawn["in_domain"], cross_domain=drawn.get("cross_domain", unknown))
        row = RULES[rule].pick(of_draw, options.values).row
        if row is None:
            continue
        for domain, by_rate in scores.items():
            gained[domain].append(drawn[domain][row] - by_rate[row].point)
    return luck | {domain: float(np.nanmean(values)) for domain, values in gained.items() if values}


def _test_scores(table: pd.DataFrame, draws: dict[str, TrialDraws], vendor: str) -> dict[str, list[Resampled]]:
    """domain -> the configurations' test metrics; without a domain that one of them was not scored in."""
    averaged = [configuration_draws(keys, draws) for keys in table["keys"]]
    scores = {}
    for domain in TWO:
        of_domain = [domain_draws(of_configuration, vendor, "test", domain) for of_configuration in averaged]
        known = [score for score in of_domain if score is not None]
        if len(known) == len(of_domain):
            scores[domain] = known
    return scores
