"""Which interval of an AUC covers the truth, and from which number of patients on?

    nice -n 15 python -m benchmarks.interval_coverage

Cohorts with 8 to 18 images a patient, patient effects and a contrast that varies between patients. Four kinds: every
patient has both classes; a third have only one; half have only positives and half only negatives; a fifth have positive
images at all. Printed is how often 90 % intervals hold the true AUC, for percentiles of the bootstrap and for
analysis.statistics.bootstrap.interval. The goal is 85 to 95 %.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import ndtri

from analysis.statistics.bootstrap import interval, patient_weights, resampled_auc, win_matrix
from benchmarks.tools import parser

DRAWS = 400
AUCS = (0.6, 0.75, 0.85, 0.95)
PATIENTS = (8, 15, 36, 100)
EFFECTS = ((0.3, 0.0), (0.5, 0.5))  # variance of the patient's level (of 1), and of the patient's contrast


def both_classes(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size,) share of positive images of each patient."""
    return np.full(size, 0.5)


def a_third_one_class(rng: np.random.Generator, size: int) -> np.ndarray:
    """A third of the patients have one class only."""
    return np.where(rng.random(size) < 1 / 3, rng.integers(0, 2, size), 0.5)


def one_class_each(rng: np.random.Generator, size: int) -> np.ndarray:
    """Every patient has one class only."""
    return np.arange(size) % 2


def positives_in_a_fifth(rng: np.random.Generator, size: int) -> np.ndarray:
    """A fifth of the patients have positive images."""
    return np.where(np.arange(size) % 5 == 0, 0.6, 0.0)


KINDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "both": both_classes,
    "a third one class": a_third_one_class,
    "one class each": one_class_each,
    "positives in a fifth": positives_in_a_fifth,
}


def main() -> None:
    """Print coverage by kind and patients, the lowest and highest over AUCs and effects."""
    arguments = parser(__doc__)
    arguments.add_argument("--replicates", type=int, default=300, help="cohorts of each kind")
    args = arguments.parse_args()
    rows = []
    for kind, size in product(KINDS, PATIENTS):
        weights = patient_weights(size, DRAWS, "coverage")
        for auc, effect in product(AUCS, EFFECTS):
            seed = [size, int(100 * auc), int(10 * effect[0])]
            held = [
                is_covered(np.random.default_rng([*seed, number]), kind, weights, auc, effect)
                for number in range(args.replicates)
            ]
            rows.append([kind, size, *np.nanmean(held, axis=0)])
    table = pd.DataFrame(rows, columns=["patients", "of them", "percentile", "interval"])
    ends = 100 * table.groupby(["patients", "of them"]).agg(["min", "max"])
    print(ends.round(0).astype(int).to_string())
    for name in ("percentile", "interval"):
        good = table[name].between(0.845, 0.955).sum()
        lowest, highest = 100 * table[name].min(), 100 * table[name].max()
        print(f"{name}: {lowest:.0f} to {highest:.0f} %; 85 to 95 % in {good} of {len(table)}")


def is_covered(
    rng: np.random.Generator, kind: str, weights: np.ndarray, auc: float, effect: tuple[float, float]
) -> list[float]:
    """Whether either interval holds the truth; NaN where the cohort has a class in fewer than two patients."""
    size = weights.shape[1]
    patient = np.repeat(np.arange(size), rng.integers(8, 19, size))
    label = (rng.random(len(patient)) < KINDS[kind](rng, size)[patient]).astype(int)
    level, contrast = effect
    score = rng.normal(0, np.sqrt(level), size)[patient] + rng.normal(0, np.sqrt(1 - level), len(patient))
    score += (ndtri(auc) * np.sqrt(2 + contrast) + rng.normal(0, np.sqrt(contrast), size)[patient]) * label
    drawn = resampled_auc(win_matrix(label, score, patient, np.arange(size)), weights)
    ends = interval(drawn)
    if np.isnan(ends.low):
        return [np.nan, np.nan]
    low, high = np.nanquantile(drawn.draws, [0.05, 0.95])
    return [float(low <= auc <= high), float(ends.low <= auc <= ends.high)]


if __name__ == "__main__":
    main()
