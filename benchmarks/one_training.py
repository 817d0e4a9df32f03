"""One training for the whole curve against a training a rate: AUC, ranks, chosen rate and cost.

    python benchmarks/one_training.py RUN [RUN ...]

Reads finished runs of the space `one_training` and prints markdown. Test AUC of each rate trained alone minus that of
the conditional training at the same rate; ranks by Spearman; the chosen rate by `epsilon` on the points of validation
(within 0.02 of the best), for either kind alone; cost in seconds of training and scoring, as the records have it.
"""

import sys
from pathlib import Path

import pandas as pd
from scipy.stats import spearmanr

from analysis.choice.rules.epsilon import EPSILON
from analysis.read.load import load

KINDS = {"alexnet": "not told", "alexnet_film": "FiLM", "alexnet_hyper": "hypernetwork"}


def main(runs: list[str]) -> None:
    """Print a summary and a table a rate for every run."""
    for run in runs:
        trials = load(run).trials
        alone = trials[trials["rate_from"].isna() & trials["rate_start"].isna()]
        print(f"\n## {Path(run).name}\n")
        print_summary(trials, alone)
        print_rates(trials, alone)
        print_dense_starts(trials, alone)


def print_summary(trials: pd.DataFrame, alone: pd.DataFrame) -> None:
    """One line a vendor and kind of conditional training."""
    heads = ["trained on", "one training", "mean abs. difference in / cross", "signed in / cross"]
    heads += ["rank agreement in / cross", "chosen, alone / one training", "cost"]
    print(f"| {' | '.join(heads)} |")
    print("|" + " --- |" * len(heads))
    for vendor, own in alone.groupby("vendor"):
        own = own.set_index("sampling_rate").sort_index()
        for classifier, words in KINDS.items():
            one = conditional(trials, vendor, classifier)
            cells = [difference(one, own, domain) for domain in ("in_domain", "cross_domain")]
            ranks = [spearmanr(one[f"test_{d}"], own[f"test_{d}"]).statistic for d in ("in_domain", "cross_domain")]
            cost = one["seconds"].sum() / own["seconds"].sum()
            print(
                f"| {vendor} | {words} | {' / '.join(f'{c.abs().mean():.3f}' for c in cells)} "
                f"| {' / '.join(f'{c.mean():+.3f}' for c in cells)} | {' / '.join(f'{r:.2f}' for r in ranks)} "
                f"| {chosen(own):.3g} / {chosen(one):.3g} | {cost:.2f} |"
            )


def print_rates(trials: pd.DataFrame, alone: pd.DataFrame) -> None:
    """Test AUC in-domain / cross-domain at every rate."""
    rates = sorted(alone["sampling_rate"].unique())
    print("\n| trained on | | " + " | ".join(f"{round(rate * 64)}/64" for rate in rates) + " |")
    print("| --- | --- |" + " --- |" * len(rates))
    for vendor, own in alone.groupby("vendor"):
        kinds = {"a training a rate": own.set_index("sampling_rate").sort_index()}
        kinds |= {f"one training, {words}": conditional(trials, vendor, name) for name, words in KINDS.items()}
        for words, table in kinds.items():
            cells = [f"{a:.3f} / {b:.3f}" for a, b in zip(table["test_in_domain"], table["test_cross_domain"])]
            print(f"| {vendor} | {words} | " + " | ".join(cells) + " |")


def print_dense_starts(trials: pd.DataFrame, alone: pd.DataFrame) -> None:
    """A training that starts dense and shrinks, beside the one that starts at its rate."""
    print("\n| trained on | rate | starts at its rate, in / cross | starts at 1, in / cross |")
    print("| --- | --- | --- | --- |")
    for row in trials[trials["rate_start"].notna()].sort_values(["vendor", "sampling_rate"]).itertuples():
        (other,) = alone[(alone["vendor"] == row.vendor) & (alone["sampling_rate"] == row.sampling_rate)].itertuples()
        print(
            f"| {row.vendor} | {round(row.sampling_rate * 64)}/64 | {other.test_in_domain:.3f} / "
            f"{other.test_cross_domain:.3f} | {row.test_in_domain:.3f} / {row.test_cross_domain:.3f} |"
        )


def conditional(trials: pd.DataFrame, vendor: str, classifier: str) -> pd.DataFrame:
    """The rates of one conditional training, by rate."""
    own = trials[(trials["vendor"] == vendor) & trials["rate_from"].notna() & (trials["classifier"] == classifier)]
    return own.set_index("sampling_rate").sort_index()


def difference(one: pd.DataFrame, own: pd.DataFrame, domain: str) -> pd.Series:
    """Test AUC of the conditional training minus that of the rate trained alone."""
    return one[f"test_{domain}"] - own[f"test_{domain}"]


def chosen(table: pd.DataFrame) -> float:
    """The smallest rate whose validation AUC is within epsilon of the best."""
    val = table["val_in_domain"]
    return float(val[val >= val.max() - EPSILON.default].index.min())


if __name__ == "__main__":
    main(sys.argv[1:])
