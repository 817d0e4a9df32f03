"""Which interval of an AUC covers, from which number of patients? nice -n 15 python benchmarks/interval_coverage.py

Cohorts of 8 to 18 images a patient, with patient effects and patients' own contrasts: every patient has both classes;
a third have one only; half of them positive only, half negative only; a fifth have positives at all. Coverage of 90 %
intervals of the true AUC: percentiles of the bootstrap, and analysis.statistics.bootstrap.interval. Goal: 85 to 95 %.
"""

import sys

import numpy as np
import pandas as pd
from scipy.special import ndtri

from analysis.statistics.bootstrap import interval, patient_weights, resampled_auc, win_matrix

DRAWS, AUCS, PATIENTS = 400, (0.6, 0.75, 0.85, 0.95), (8, 15, 36, 100)
KINDS = {
    "both": lambda rng, size: np.full(size, 0.5),
    "a third one class": lambda rng, size: np.where(rng.random(size) < 1 / 3, rng.integers(0, 2, size), 0.5),
    "one class each": lambda rng, size: np.arange(size) % 2,
    "positives in a fifth": lambda rng, size: np.where(np.arange(size) % 5 == 0, 0.6, 0.0),
}  # of each patient, the share of positive images
EFFECTS = ((0.3, 0.0), (0.5, 0.5))  # variance of the patient's level (of 1), and of its contrast


def main(replicates: int = 300) -> None:
    """Print coverage by kind and patients, the lowest and highest over AUCs and effects."""
    rows = []
    for kind in KINDS:
        for size in PATIENTS:
            weights = patient_weights(size, DRAWS, "coverage")
            for auc in AUCS:
                for effect in EFFECTS:
                    seed = [size, int(100 * auc), int(10 * effect[0])]
                    each = [
                        one(np.random.default_rng([*seed, n]), kind, weights, auc, effect) for n in range(replicates)
                    ]
                    rows.append([kind, size, *np.nanmean(each, axis=0)])
    table = pd.DataFrame(rows, columns=["patients", "of them", "percentile", "interval"])
    print((100 * table.groupby(["patients", "of them"]).agg(["min", "max"])).round(0).astype(int).to_string())
    for name in ("percentile", "interval"):
        held = table[name].between(0.845, 0.955).sum()
        lowest, highest = 100 * table[name].min(), 100 * table[name].max()
        print(f"{name}: {lowest:.0f} to {highest:.0f} %; 85 to 95 % in {held} of {len(table)}")


def one(
    rng: np.random.Generator, kind: str, weights: np.ndarray, auc: float, effect: tuple[float, float]
) -> list[float]:
    """Whether either interval holds the truth; NaN where the cohort lacks a class in two patients."""
    size = weights.shape[1]
    patient = np.repeat(np.arange(size), rng.integers(8, 19, size))
    label = (rng.random(len(patient)) < KINDS[kind](rng, size)[patient]).astype(int)
    level, contrast = effect
    score = rng.normal(0, np.sqrt(level), size)[patient] + rng.normal(0, np.sqrt(1 - level), len(patient))
    score += (ndtri(auc) * np.sqrt(2 + contrast) + rng.normal(0, np.sqrt(contrast), size)[patient]) * label
    found = resampled_auc(win_matrix(label, score, patient, np.arange(size)), weights)
    ends = interval(found)
    if np.isnan(ends.low):
        return [np.nan, np.nan]
    low, high = np.nanquantile(found.draws, [0.05, 0.95])
    return [float(low <= auc <= high), float(ends.low <= auc <= ends.high)]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
