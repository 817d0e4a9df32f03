"""Dice by rate, in-domain / cross-domain, beside that of an answer that ignores the image: a markdown table a run.

    python benchmarks/segmentation_table.py RUN [RUN ...]

Reads finished runs of the space `segmentation`: test Dice, every seed of a cell, and the record's ``trivial`` (one mask
for every image) for the same two test sets.
"""

import sys
from pathlib import Path

from tune_ks.core.record import TrialRecord, mean_of_others
from tune_ks.core.run_folder import RunFolder


def main(runs: list[str]) -> None:
    """Print a table a run."""
    for run in runs:
        rows: dict[tuple[str, str], dict[float, list[TrialRecord]]] = {}
        for record in RunFolder(run).records():
            config = record.config
            network = config.mask + (f", adversary {config.adversarial_weight:g}" if config.adversarial_weight else "")
            rows.setdefault((config.vendor, network), {}).setdefault(config.sampling_rate, []).append(record)
        rates = sorted({rate for cells in rows.values() for rate in cells})
        print(f"\n{Path(run).name}\n")
        heads = ["trained on", "mask", *(f"{round(rate * 64)}/64" for rate in rates), "one mask for every image"]
        print(f"| {' | '.join(heads)} |")
        print("|" + " --- |" * len(heads))
        for (vendor, network), cells in sorted(rows.items()):
            found = [", ".join(pair(one.config.vendor, one.test) for one in cells.get(rate, [])) for rate in rates]
            first = next(iter(cells.values()))[0]
            print(f"| {vendor} | {network} | {' | '.join(found)} | {pair(vendor, first.trivial)} |")


def pair(vendor: str, scores: dict[str, float]) -> str:
    """In-domain / cross-domain."""
    return f"{scores[vendor]:.3f} / {mean_of_others(scores, vendor):.3f}"


if __name__ == "__main__":
    main(sys.argv[1:])
