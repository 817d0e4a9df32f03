"""Front, band and choice of each mask family and temperature alone: what the Pareto plot shows when it is filtered."""

from itertools import product
from typing import NamedTuple

import pandas as pd

from analysis.choice.selection import Selection, evidence, select, with_scores
from analysis.read.configurations import choosable, families, of_most_patients
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.statistics.pareto import TWO, ParetoFront, pareto_front
from analysis.statistics.uncertain_front import uncertain_front

MOST = 24  # subsets of a vendor: each adds its front and its band to the page


class Subset(NamedTuple):
    """Some configurations of one vendor, full sampling always among them."""

    name: str
    keys: list[str]  # of each configuration in it that the plot draws, the key of its first trial
    front: ParetoFront  # of the two metrics
    attainment: pd.DataFrame | None  # the front as a distribution; None where curves are not fitted
    selection: Selection  # by the rule of the analysis


def subsets(analysis: Analysis, computed: VendorAnalysis) -> list[Subset]:
    """A family, a temperature, and both; with one family and one temperature there is nothing to tell apart."""
    table = computed.configurations
    temperatures = sorted(table["temperature"].dropna().unique())
    scores = [f"{computed.split}_{domain}" for domain in TWO]
    drawn = table.dropna(subset=scores)
    known = {frozenset(_keys(drawn))}
    made: list[Subset] = []
    for family, temperature in product([None, *families(table)], [None, *temperatures]):
        keys = _keys(drawn[_inside(drawn, family, temperature)])
        if frozenset(keys) in known or len(made) == MOST:
            continue
        known.add(frozenset(keys))
        words = [family] if family is not None else []
        if temperature is not None:
            words.append(f"temperature {temperature:g}")
        part = of_most_patients(table)
        part = part[_inside(part, family, temperature)]
        made.append(_subset(analysis, computed, ", ".join(words), keys, part if family else choosable(part)))
    return made


def _inside(table: pd.DataFrame, family: str | None, temperature: float | None) -> pd.Series:
    """Which rows a filter keeps: full sampling always, and of a temperature all masks that have none."""
    kept = pd.Series(True, index=table.index)
    if family is not None:
        kept &= table["family"] == family
    if temperature is not None:
        kept &= table["temperature"].isna() | (table["temperature"] == temperature)
    return kept | table["full"].astype(bool)


def _keys(table: pd.DataFrame) -> list[str]:
    return [keys[0] for keys in table["keys"]]


def _subset(analysis: Analysis, computed: VendorAnalysis, name: str, keys: list[str], part: pd.DataFrame) -> Subset:
    chance = analysis.measure.chance
    points = with_scores(part, computed.split)
    draws = evidence(points, computed.fitted[computed.split], None, analysis.measure).draws
    uncertain = uncertain_front(points["realised_rate"].to_numpy(float), draws, chance)
    return Subset(
        name=name,
        keys=keys,
        front=pareto_front(points, TWO, chance),
        attainment=None if uncertain is None else uncertain.attainment,
        selection=_selection(analysis, computed, name, part),
    )


def _selection(analysis: Analysis, computed: VendorAnalysis, name: str, part: pd.DataFrame) -> Selection:
    """The choice of the analysis where it was made among the same configurations; else the same rule's among these."""
    if set(part["configuration"]) == set(choosable(computed.configurations)["configuration"]):
        return computed.selection
    fitted = computed.fitted[computed.split]
    return select(
        part, computed.vendor, analysis.rule, analysis.options, family=name, split=computed.split, fitted=fitted
    )
