"""How long do the intervals of 100 trials take? nice -n 10 python benchmarks/bootstrap_speed.py

100 trials x 2,000 resamples x 5,000 images of 417 patients; the goal is 20 s on two cores. Prints wall and CPU time.
"""

import time

import numpy as np

from analysis.statistics.bootstrap import interval, patient_weights, resampled_auc, win_matrix

TRIALS, RESAMPLES, IMAGES, PER_PATIENT = 100, 2000, 5000, 12


def main() -> None:
    """Measure once and print."""
    rng = np.random.default_rng(0)
    patient = np.arange(IMAGES) // PER_PATIENT
    patients, label = np.unique(patient), rng.integers(0, 2, IMAGES)
    wall, cpu = time.perf_counter(), time.process_time()
    weights = patient_weights(len(patients), RESAMPLES, "benchmark")
    full = None
    for _ in range(TRIALS):
        drawn = resampled_auc(win_matrix(label, rng.normal(label, 1), patient, patients), weights)
        full = drawn if full is None else full
        interval(drawn)
        interval(drawn - full)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{TRIALS} trials x {RESAMPLES} resamples x {IMAGES} images: {wall:.1f} s wall, {cpu:.1f} s CPU (goal: 20 s)")


if __name__ == "__main__":
    main()
