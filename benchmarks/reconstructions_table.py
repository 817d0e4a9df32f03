"""Reconstructions against zero-filling at the same rate and mask: AUCs, paired differences, PSNR and SSIM.

    python benchmarks/reconstructions_table.py RUN [RUN ...]

Reads finished runs of the space `reconstructions` and prints markdown. Test AUCs in-domain and cross-domain, every
seed. Differences are paired over the same patients and averaged over seeds, with 90 % intervals by a bootstrap of
patients (one training each with one seed: it holds the patients' scatter, not the trainings'); bold where 0 lies
outside. PSNR and SSIM on test images, beside zero-filling's with the mask of the same trial.
"""

import math
import sys
from pathlib import Path

from analysis.read.load import Run, load
from analysis.statistics.bootstrap import interval
from analysis.statistics.resampling import TrialDraws, configuration_draws, domain_draws, paired, trial_draws

YARDSTICK = "zero_filled"
DOMAINS = ("in_domain", "cross_domain")


def main(runs: list[str]) -> None:
    """Print two tables a run."""
    for place in runs:
        run = load(place)
        run.trials["network"] = [named(row) for row in run.trials.itertuples()]
        print(f"\n## {Path(place).name}\n")
        print_aucs(run)
        print_quality(run)


def print_aucs(run: Run) -> None:
    """One line a vendor, mask, rate and reconstruction: both test AUCs of every seed, and what it gains."""
    draws = trial_draws(run)
    print_heads(
        ["trained on", "mask", "rate", "reconstruction", "in-domain", "cross-domain", "gains in", "gains cross"]
    )
    for (vendor, full), of_vendor in run.trials.groupby(["vendor", "full"]):
        for (mask, rate), own in of_vendor.groupby(["mask", "sampling_rate"]):
            drawn = {name: configuration_draws(part["key"].tolist(), draws) for name, part in own.groupby("network")}
            for name, part in own.sort_values("seed").groupby("network"):
                about = [vendor, "full" if full else mask, f"{rate * 64:g}/64", "" if full else name]
                each = [", ".join(f"{value:.3f}" for value in part[f"test_{domain}"]) for domain in DOMAINS]
                other = drawn.get(YARDSTICK) if name != YARDSTICK else None
                print_line([*about, *each, *(gain(drawn[name], other, vendor, domain) for domain in DOMAINS)])


def print_quality(run: Run) -> None:
    """One line a trial and test vendor, where the reconstruction learns."""
    print()
    about = ["trained on", "mask", "rate", "reconstruction", "seed", "test vendor"]
    print_heads([*about, "PSNR / zero-filled", "SSIM / zero-filled"])
    for row in run.trials.sort_values(["vendor", "mask", "sampling_rate", "network", "seed"]).itertuples():
        for vendor, found in run.records[row.key].quality.items():
            cells = [
                f"{found.get(name, math.nan):.{digits}f} / {found.get(f'{name}_zero_filled', math.nan):.{digits}f}"
                for name, digits in (("psnr", 2), ("ssim", 3))
            ]
            print_line([row.vendor, row.mask, f"{row.sampling_rate * 64:g}/64", row.network, row.seed, vendor, *cells])


def named(trial) -> str:
    """A reconstruction, and whether it was trained alone at first."""
    alone = trial.reconstruction_epochs
    return f"{trial.reconstruction}, first alone ({alone} epochs)" if alone else trial.reconstruction


def gain(mine: TrialDraws, other: TrialDraws | None, vendor: str, domain: str) -> str:
    """Test AUC minus zero-filling's, with its interval; nothing for zero-filling itself."""
    found = None if other is None else domain_draws(paired(mine, other), vendor, "test", domain)
    if found is None:
        return ""
    ends = interval(found)
    text = f"{found.point:+.3f} [{ends.low:+.3f}, {ends.high:+.3f}]"
    return f"**{text}**" if ends.low > 0 or ends.high < 0 else text


def print_heads(names: list[str]) -> None:
    """The first two lines of a markdown table."""
    print_line(names)
    print("|" + " --- |" * len(names))


def print_line(cells: list) -> None:
    """One line of a markdown table."""
    print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main(sys.argv[1:])
