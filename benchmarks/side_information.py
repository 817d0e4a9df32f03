"""Classifiers against AlexNet at the same rate and seed: AUCs, paired differences, and the cross-vendor loss.

    python benchmarks/side_information.py RUN [RUN ...]

Reads finished runs of the spaces `side_information` and `classifiers` and prints markdown. Test AUCs, every seed; the
cross-vendor loss is the in-domain AUC minus the same model's cross-domain AUC. Differences are a classifier minus
AlexNet, paired by rate and seed: mean ± standard error over the pairs, which holds the trainings' scatter and not the
patients'.
"""

import sys
from pathlib import Path

import pandas as pd

from analysis.read.load import load

YARDSTICK = "alexnet"
NAMES = ["in", "cross", "loss"]
COLUMNS = ["test_in_domain", "test_cross_domain", "loss"]


def main(runs: list[str]) -> None:
    """Print two tables a run."""
    for run in runs:
        trials = load(run).trials
        trials["loss"] = trials["test_in_domain"] - trials["test_cross_domain"]
        trials["network"] = [named(row.classifier, row.side_dropout) for row in trials.itertuples()]
        print(f"\n## {Path(run).name}\n")
        print_seeds(trials)
        print_differences(trials)


def print_seeds(trials: pd.DataFrame) -> None:
    """One line a vendor and network: every seed of every rate, in-domain / cross-domain."""
    rates = sorted(trials["sampling_rate"].unique())
    print_heads(["trained on", "network", *(f"{round(rate * 64)}/64" for rate in rates)])
    for (vendor, network), own in trials.sort_values("seed").groupby(["vendor", "network"]):
        each = [own[own["sampling_rate"] == rate] for rate in rates]
        cells = [
            ", ".join(f"{row.test_in_domain:.3f} / {row.test_cross_domain:.3f}" for row in part.itertuples())
            for part in each
        ]
        print_line([vendor, network, *cells])


def print_differences(trials: pd.DataFrame) -> None:
    """One line a vendor and network: means over rates and seeds, and what it gains on AlexNet."""
    print()
    print_heads(["trained on", "network", *NAMES, *(f"{name} minus AlexNet's" for name in NAMES)])
    for vendor, of_vendor in trials.groupby("vendor"):
        tables = {name: own.set_index(["sampling_rate", "seed"])[COLUMNS] for name, own in of_vendor.groupby("network")}
        for network, table in tables.items():
            means = [f"{mean:.3f}" for mean in table.mean()]
            pairs = (table - tables[YARDSTICK]).dropna()
            gains = [f"{pairs[column].mean():+.3f} ± {pairs[column].sem():.3f}" for column in COLUMNS]
            print_line([vendor, network, *means, *(gains if network != YARDSTICK else [""] * len(gains))])


def named(classifier: str, side_dropout: float) -> str:
    """A classifier, with the chance that side information is hidden where there is one."""
    return f"{classifier}, {side_dropout:g} hidden" if side_dropout else classifier


def print_heads(names: list[str]) -> None:
    """The first two lines of a markdown table."""
    print_line(names)
    print("|" + " --- |" * len(names))


def print_line(cells: list[str]) -> None:
    """One line of a markdown table."""
    print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
