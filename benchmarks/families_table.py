"""Mask families at the same realised rates, low-pass as the yardstick: a markdown table a run.

    python benchmarks/families_table.py RUN [RUN ...]

Reads finished runs of the space `mask_families`. Test AUC in-domain / cross-domain at each rate; at last the mean over
the rates of the difference to low-pass at the same rate, with the standard error of that mean over rates (one training
each: it holds the trainings' scatter, not the patients').
"""

import sys
from pathlib import Path

import pandas as pd

from analysis.read.load import load

YARDSTICK = "lowpass"


def main(runs: list[str]) -> None:
    """Print a table a run."""
    for run in runs:
        trials = load(run).trials
        below = trials[trials["sampling_rate"] < 1]
        rates = sorted(below["sampling_rate"].unique())
        print(f"\n{Path(run).name}\n")
        heads = ["trained on", "mask", *(f"{round(rate * 64)}/64" for rate in rates), "minus low-pass, in / cross"]
        print(f"| {' | '.join(heads)} |")
        print("|" + " --- |" * len(heads))
        for (vendor, mask), own in below.groupby(["vendor", "mask"]):
            table = own.groupby("sampling_rate")[["test_in_domain", "test_cross_domain"]].mean()
            other = below[(below["vendor"] == vendor) & (below["mask"] == YARDSTICK)]
            other = other.groupby("sampling_rate")[["test_in_domain", "test_cross_domain"]].mean()
            cells = [f"{row.test_in_domain:.3f} / {row.test_cross_domain:.3f}" for row in table.loc[rates].itertuples()]
            print(f"| {vendor} | {mask} | {' | '.join(cells)} | {above(table - other) if mask != YARDSTICK else ''} |")
        for vendor, own in trials[trials["sampling_rate"] == 1].groupby("vendor"):
            both = own[["test_in_domain", "test_cross_domain"]].mean()
            print(f"\n{vendor}, full sampling: {both.iloc[0]:.3f} / {both.iloc[1]:.3f}")


def above(difference: pd.DataFrame) -> str:
    """Mean and its standard error over the rates, for both domains."""
    return " / ".join(f"{mean:+.3f} ± {error:.3f}" for mean, error in zip(difference.mean(), difference.sem()))


if __name__ == "__main__":
    main(sys.argv[1:])
