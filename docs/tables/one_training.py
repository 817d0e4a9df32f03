"""One conditional training against separate ones."""

import pandas as pd
from scipy.stats import spearmanr

from analysis.choice.rules.epsilon import EPSILON
from analysis.read.load import Run
from docs.tables.cells import SCORES, cells_by_rate, pair, rate_name
from docs.tables.table import Table

CONDITIONAL = {"alexnet": "rate not given", "alexnet_film": "FiLM", "alexnet_hyper": "hypernetwork"}


def one_training(run: Run) -> list[Table]:
    """underfit.md: one conditional training against separate ones (space one_training).

    Also trainings that begin at rate 1 against those that begin at their own rate.
    """
    trials = run.trials
    alone = trials[trials["rate_from"].isna() & trials["rate_start"].isna()]
    summary, curves = [], []
    every_rate = sorted(alone["sampling_rate"].unique())
    for vendor, part in alone.groupby("vendor"):
        separate = part.set_index("sampling_rate").sort_index()
        curves.append([vendor, "a training a rate", *cells_by_rate(part, every_rate)])
        for classifier, words in CONDITIONAL.items():
            chosen = (trials["vendor"] == vendor) & trials["rate_from"].notna() & (trials["classifier"] == classifier)
            together = trials[chosen].set_index("sampling_rate").sort_index()
            summary.append([vendor, words, *_agreement(together, separate)])
            curves.append([vendor, f"one training, {words}", *cells_by_rate(trials[chosen], every_rate)])
    about = ["trained on", "one training"]
    compared = ["mean abs. difference in / cross", "signed in / cross", "rank agreement in / cross"]
    heads = [*about, *compared, "chosen, alone / one training", "cost"]
    curve_heads = ["trained on", "", *map(rate_name, every_rate)]
    return [Table(heads, summary), Table(curve_heads, curves), _dense_starts(trials, alone)]


def _agreement(together: pd.DataFrame, separate: pd.DataFrame) -> list[str]:
    """How near the rates of one conditional training are to separate trainings; both are indexed by the rate."""
    gaps = [together[score] - separate[score] for score in SCORES]
    ranks = [spearmanr(together[score], separate[score]).statistic for score in SCORES]
    cost = together["seconds"].sum() / separate["seconds"].sum()
    return [
        pair(*(gap.abs().mean() for gap in gaps)),
        pair(*(gap.mean() for gap in gaps), "+.3f"),
        pair(*ranks, ".2f"),
        pair(_smallest_within_epsilon(separate), _smallest_within_epsilon(together), ".3g"),
        f"{cost:.2f}",
    ]


def _smallest_within_epsilon(table: pd.DataFrame) -> float:
    """The smallest rate whose in-domain validation AUC is within EPSILON of the best."""
    val = table["val_in_domain"]
    return float(val[val >= val.max() - EPSILON.default].index.min())


def _dense_starts(trials: pd.DataFrame, alone: pd.DataFrame) -> Table:
    rows = []
    dense = trials[trials["rate_start"].notna()].sort_values(["vendor", "sampling_rate"])
    for row in dense.itertuples():
        same = alone[(alone["vendor"] == row.vendor) & (alone["sampling_rate"] == row.sampling_rate)]
        begins_there = pair(*same[SCORES].to_numpy()[0])
        begins_dense = pair(row.test_in_domain, row.test_cross_domain)
        rows.append([row.vendor, rate_name(row.sampling_rate), begins_there, begins_dense])
    return Table(["trained on", "rate", "starts at its rate, in / cross", "starts at 1, in / cross"], rows)
