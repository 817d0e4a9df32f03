"""From scratch, and pre-trained minus that: paired differences of the same vendor, network, rate and seed.

    python benchmarks/transfer_table.py RUN [RUN ...]

Reads finished runs of the spaces `finetune` and `screened`; prints Markdown. Test AUC of the source vendor (in) and of
the others (cross) from scratch, then what each seed gained at each rate, and over rates and seeds the mean ± its
standard error, which holds the trainings' scatter and not the patients'; beside it the cross-vendor loss (in minus
cross), whose gain below 0 means that the loss became smaller.
"""

import sys
from pathlib import Path

import pandas as pd

from analysis.read.load import load

COLUMNS = ["test_in_domain", "test_cross_domain"]
PAIR = ["sampling_rate", "seed"]


def main(runs: list[str]) -> None:
    """Print a table a run."""
    for run in runs:
        trials = load(run).trials
        rates = sorted(trials["sampling_rate"].unique())
        print(f"\n{Path(run).name}: from scratch, and pre-trained minus that, in / cross, each seed\n")
        heads = [
            "trained on",
            "network",
            "begins, learns",
            *(f"{round(rate * 64)}/64" for rate in rates),
            "mean",
            "loss",
        ]
        print_line(heads)
        print("|" + " --- |" * len(heads))
        for (vendor, network), own in trials.groupby(["vendor", "classifier"]):
            scratch = own[own["init_from"].isna()].set_index(PAIR)[COLUMNS].sort_index()
            print_line([vendor, network, "from scratch", *cells(scratch, rates, ".3f"), *summary(scratch, ".3f")])
            for (slow, frozen), tuned in own[own["init_from"].notna()].groupby(["slow", "frozen"]):
                gains = (tuned.set_index(PAIR)[COLUMNS] - scratch).dropna().sort_index()
                print_line(
                    [vendor, network, learning(slow, frozen), *cells(gains, rates, "+.3f"), *summary(gains, "+.3f")]
                )


def learning(slow: str, frozen: str) -> str:
    """What of the network learns, in words."""
    parts = [f"{names} {how}" for names, how in ((slow, "slowly"), (frozen, "not")) if names]
    return "pre-trained, " + (", ".join(parts) or "all alike")


def cells(values: pd.DataFrame, rates: list[float], form: str) -> list[str]:
    """One cell a rate, every seed in it."""
    found = {rate: own.to_numpy() for rate, own in values.groupby("sampling_rate")}
    return ["; ".join(f"{x:{form}} / {y:{form}}" for x, y in found.get(rate, [])) for rate in rates]


def summary(values: pd.DataFrame, form: str) -> list[str]:
    """Mean and standard error of both domains, and of the loss across vendors."""
    loss = values[COLUMNS[0]] - values[COLUMNS[1]]
    both = [f"{values[name].mean():{form}} ± {values[name].sem():.3f}" for name in COLUMNS]
    return [" / ".join(both), f"{loss.mean():{form}} ± {loss.sem():.3f}"]


def print_line(found: list[str]) -> None:
    """One line of a markdown table."""
    print(f"| {' | '.join(found)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
