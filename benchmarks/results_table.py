"""The tables of docs/results.md, as Markdown: every rate with all its seeds, and what it gains or loses.

    python benchmarks/results_table.py RUN [RUN ...]

Test AUCs of the source vendor (in) and of the others (cross). Intervals are 90 %, by a bootstrap of patients, seeds
averaged inside each draw. Differences are paired, over the same patients: to full sampling, to
low-pass at the same rate, and to the best one-number baseline of the test images; bold where 0 lies outside.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.read.load import load
from analysis.read.trial_arrays import image_scores
from analysis.statistics.baselines import baseline_draws, baselines, best, held_out_images
from analysis.statistics.bootstrap import Resampled, average, interval, patient_weights, resampled_auc, win_matrix

DRAWS = 2000
DOMAINS = ("in", "cross")


class Draws:
    """Resampled test AUCs of the trials of one run; every trial of a vendor meets the same patients in a draw."""

    def __init__(self, root: Path, cohort: pd.DataFrame) -> None:
        self.root, self.cohort = root, cohort
        self.patients = {vendor: np.unique(table["patient_id"]) for vendor, table in held_out_images(cohort)}
        self.weights = {v: patient_weights(len(found), DRAWS, v) for v, found in self.patients.items()}

    def of(self, keys: list[str], source: str) -> dict[str, Resampled]:
        """domain -> the mean over the trials ``keys``."""
        each = [self._trial(key, source) for key in keys]
        return {domain: average([found[domain] for found in each]) for domain in DOMAINS}

    def baseline(self, base: pd.DataFrame, source: str) -> dict[str, Resampled]:
        """domain -> the best one-number baseline of each test vendor."""
        drawn = {}
        for vendor, images in held_out_images(self.cohort):
            drawn[vendor] = baseline_draws(images, vendor, best(base, vendor)["baseline"], DRAWS)
        return {"in": drawn[source], "cross": average([d for v, d in drawn.items() if v != source])}

    def _trial(self, key: str, source: str) -> dict[str, Resampled]:
        scores = image_scores(self.root, key, self.cohort)
        drawn = {}
        for vendor, part in scores[scores["split"] == "test"].groupby("vendor"):
            columns = (part[name].to_numpy() for name in ("label", "score", "patient_id"))
            drawn[vendor] = resampled_auc(win_matrix(*columns, self.patients[vendor]), self.weights[vendor])
        others = [found for vendor, found in drawn.items() if vendor != source]
        return {"in": drawn[source], "cross": average(others)}


def print_run(root: Path) -> None:
    """Scores, differences and baselines of one run."""
    run = load(root)
    draws = Draws(root, run.cohort)
    base = baselines(run.cohort, DRAWS)
    scores, differences = [], []
    for vendor, mine in run.trials.groupby("vendor"):
        full = draws.of(mine[mine["sampling_rate"] == 1]["key"].tolist(), vendor)
        reference = draws.baseline(base, vendor)
        for (rate, mask), trials in mine.groupby(["sampling_rate", "mask"]):
            drawn = draws.of(trials["key"].tolist(), vendor)
            name = [vendor, "full" if rate == 1 else mask, f"{rate * 64:g}/64"]
            scores.append(name + [cell for d in DOMAINS for cell in score_cells(trials[f"test_{d}_domain"], drawn[d])])
            low = mine[(mine["sampling_rate"] == rate) & (mine["mask"] == "lowpass")]["key"].tolist()
            yardstick = draws.of(low, vendor) if low and mask != "lowpass" else None
            found = list(name)
            for other in (full if rate < 1 else None, yardstick, reference):
                found += [difference(drawn[d], other[d]) if other else "" for d in DOMAINS]
            differences.append(found)
    print(f"\n### {root.name}\n")
    first = ["trained on", "mask", "rate"]
    print_table([*first, "in-domain AUC", "seeds", "cross-domain AUC", "seeds"], scores)
    against = ("full", "low-pass", "baseline")
    print_table(first + [f"{d} - {other}" for other in against for d in DOMAINS], differences)
    rows = [
        [r.vendor, f"{r.baseline} ({r.direction})", f"{r.value:.3f} [{r.low:.3f}, {r.high:.3f}]", r.images, r.patients]
        for r in base.itertuples()
    ]
    print_table(["test vendor", "one-number baseline", "AUC", "images", "patients"], rows)


def print_table(header: list[str], rows: list[list]) -> None:
    """One Markdown table."""
    for cells in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(map(str, cells)) + " |")
    print()


def score_cells(values: pd.Series, drawn: Resampled) -> list[str]:
    """Mean over seeds with its interval, and each seed."""
    ends = interval(drawn)
    return [f"{values.mean():.3f} [{ends.low:.3f}, {ends.high:.3f}]", " ".join(f"{value:.3f}" for value in values)]


def difference(one: Resampled, other: Resampled) -> str:
    """Mean paired difference with its interval; bold where 0 lies outside."""
    ends = interval(one - other)
    text = f"{(one - other).point:+.3f} [{ends.low:+.3f}, {ends.high:+.3f}]"
    return f"**{text}**" if ends.low > 0 or ends.high < 0 else text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    for found in parser.parse_args().runs:
        print_run(found)
