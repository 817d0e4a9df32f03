"""What the Pareto plot of one source vendor shows, as finished values."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from analysis.choice.selection import Selection
from analysis.results.compute import Analysis
from analysis.results.pareto_subsets import Subset, subsets
from analysis.statistics.measures import Measure
from analysis.statistics.pareto import ParetoFront


class ParetoInfo(NamedTuple):
    """In-domain and cross-domain metric on one split: trials, configurations, front and choice of one vendor."""

    split: str  # val or test: the one that chose
    measure: Measure
    in_domain: str  # the column of both tables that holds it
    cross_domain: str
    trials: pd.DataFrame  # with both scores
    configurations: pd.DataFrame  # with both scores
    front: ParetoFront  # of the two metrics
    attainment: pd.DataFrame | None  # the front as a distribution; None without both fitted curves
    selection: Selection
    subsets: Sequence[Subset]  # what a filter shows in place of front, attainment and selection
    rates: pd.Series  # realised rates of all vendors, so that a colour means the same rate in every figure


def pareto_info(analysis: Analysis, vendor: str) -> ParetoInfo:
    """The values for the Pareto plot of the models trained on ``vendor``."""
    computed = analysis.vendors[vendor]
    scores = [f"{computed.split}_in_domain", f"{computed.split}_cross_domain"]
    trials = analysis.run.trials
    uncertain = computed.uncertain_front
    return ParetoInfo(
        split=computed.split,
        measure=analysis.measure,
        in_domain=scores[0],
        cross_domain=scores[1],
        trials=trials[trials["vendor"] == vendor].dropna(subset=scores),
        configurations=computed.configurations.dropna(subset=scores),
        front=computed.fronts["two_objectives"],
        attainment=None if uncertain is None else uncertain.attainment,
        selection=computed.selection,
        subsets=subsets(analysis, computed),
        rates=analysis.configurations["realised_rate"],
    )
