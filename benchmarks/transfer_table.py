"""Pre-trained minus from scratch: paired differences of the same vendor, network, rate and seed, as Markdown.

    python benchmarks/transfer_table.py RUN [RUN ...]

Reads finished runs of the space `finetune`. Test AUC of the source vendor (in) and of the others (cross): what each
seed gained at each rate, and over rates and seeds the mean ± its standard error, which holds the trainings' scatter and
not the patients'; beside it the cross-vendor loss (in minus cross), where below 0 the loss became smaller.
"""

import sys
from pathlib import Path

import pandas as pd

from analysis.load import load

COLUMNS = ["test_in_domain", "test_cross_domain"]
PAIR = ["sampling_rate", "seed"]


def main(runs: list[str]) -> None:
    """Print a table a run."""
    for run in runs:
        trials = load(run).trials
        rates = sorted(trials["sampling_rate"].unique())
        print(f"\n{Path(run).name}: pre-trained minus from scratch, in / cross, each seed\n")
        heads = ["trained on", "network", "learns", *(f"{round(rate * 64)}/64" for rate in rates), "mean", "loss"]
        print_line(heads)
        print("|" + " --- |" * len(heads))
        for (vendor, network), own in trials.groupby(["vendor", "classifier"]):
            scratch = own[own["init_from"].isna()].set_index(PAIR)[COLUMNS]
            for (slow, frozen), tuned in own[own["init_from"].notna()].groupby(["slow", "frozen"]):
                gains = (tuned.set_index(PAIR)[COLUMNS] - scratch).dropna().sort_index()
                print_line([vendor, network, learning(slow, frozen), *cells(gains, rates), *summary(gains)])


def learning(slow: str, frozen: str) -> str:
    """What of the network learns, in words."""
    parts = [f"{names} {how}" for names, how in ((slow, "slowly"), (frozen, "not")) if names]
    return ", ".join(parts) or "all alike"


def cells(gains: pd.DataFrame, rates: list[float]) -> list[str]:
    """One cell a rate, every seed in it."""
    found = {rate: own for rate, own in gains.groupby("sampling_rate")}
    return ["; ".join(f"{x:+.3f} / {y:+.3f}" for x, y in found[r].to_numpy()) if r in found else "" for r in rates]


def summary(gains: pd.DataFrame) -> list[str]:
    """Mean and standard error of both domains, and of the loss across vendors."""
    loss = gains[COLUMNS[0]] - gains[COLUMNS[1]]
    both = [f"{gains[name].mean():+.3f} ± {gains[name].sem():.3f}" for name in COLUMNS]
    return [" / ".join(both), f"{loss.mean():+.3f} ± {loss.sem():.3f}"]


def print_line(found: list[str]) -> None:
    """One line of a markdown table."""
    print(f"| {' | '.join(found)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
