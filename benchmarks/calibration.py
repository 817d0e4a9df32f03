"""Are the intervals as wide as they say? nice -n 15 python benchmarks/calibration.py [REPLICATES]

Known in-domain curve, seven rates, three seeds that differ by 0.1 logit, patient effects shared by all trainings, 12
images a patient; as many validation as test patients: 36 and 15 are those of the real cohort's GE and SIEMENS.
Coverage of 90 % intervals (goal 85 to 95 %), fixed and after selection apart, and regret beside the best test point.
"""

import sys

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from analysis.bootstrap import Resampled, interval, patient_weights, resampled_auc, win_matrix
from analysis.curve import fit_curve, rate_grid
from tune_ks.metrics import auc

RATES, SEEDS, IMAGES, DRAWS, EPSILON = 2.0 ** -np.arange(6, -1, -1), 3, 12, 400, 0.02
TRUE = 0.90 - 0.25 * 2 ** (-12 * RATES)
COLUMNS = ("interval, fixed rate", "curve, fixed rate", "interval, chosen", "curve, chosen")


def main(replicates: int = 400) -> None:
    """Print one line a patient count."""
    for patients in (36, 15, 8):
        found = [one(np.random.default_rng([patients, number]), patients) for number in range(replicates)]
        covered, regret = np.mean([f[0] for f in found], axis=0), np.mean([f[1] for f in found], axis=0)
        words = ", ".join(f"{name} {100 * value:.0f} %" for name, value in zip(COLUMNS, covered))
        print(f"{patients} patients, {replicates} replicates: {words}; ", end="")
        print(f"regret epsilon {regret[0]:.4f}, best test point {regret[1]:.4f}", flush=True)


def one(rng: np.random.Generator, patients: int) -> tuple[list[float], list[float]]:
    """One cohort and search -> coverages in the order of COLUMNS, regrets."""
    own = expit(logit(TRUE)[:, None] + rng.normal(0, 0.1, (len(RATES), SEEDS)))  # true AUC of each training
    val, val_draws = scored(rng, patients, own)
    test, test_draws = scored(rng, patients, own)
    curve = fit_curve(np.repeat(RATES, SEEDS), val.ravel(), val_draws.reshape(DRAWS, -1), rate_grid(RATES))
    at = np.searchsorted(curve.rates, RATES)
    good = curve.mean[at] >= curve.mean[at].max() - EPSILON
    chosen, naive = int(np.argmax(good)), int(test.mean(axis=1).argmax())
    means = zip(test.mean(axis=1), test_draws.mean(axis=2).T)
    ends = np.array([interval(Resampled(point, draws, patients)) for point, draws in means])
    tested = (ends[:, 0] <= own.mean(axis=1)) & (own.mean(axis=1) <= ends[:, 1])
    band = (curve.low[at] <= TRUE) & (curve.high[at] >= TRUE)
    covered = [tested.mean(), band.mean(), float(tested[chosen]), float(band[chosen])]
    return covered, [TRUE.max() - TRUE[chosen], TRUE.max() - TRUE[naive]]


def scored(rng: np.random.Generator, patients: int, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(R, S) AUCs on new patients, and (DRAWS, R, S) resampled."""
    patient, label = np.repeat(np.arange(patients), IMAGES), np.tile([0, 1], patients * IMAGES // 2)
    effect = rng.normal(0, np.sqrt(0.3), patients)[patient]
    weights = patient_weights(patients, DRAWS, "calibration")
    points, draws = np.zeros(own.shape), np.zeros((DRAWS, *own.shape))
    for where, value in np.ndenumerate(own):
        score = effect + rng.normal(0, np.sqrt(0.7), len(label)) + np.sqrt(2) * norm.ppf(value) * label
        points[where] = auc(label, score)
        draws[(slice(None), *where)] = resampled_auc(
            win_matrix(label, score, patient, np.arange(patients)), weights
        ).draws
    return points, draws


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
