"""How long do the intervals of 100 trials take?

    nice -n 10 python -m benchmarks.bootstrap_speed

100 trials, 2,000 resamples, 5,000 images of 417 patients. The goal is 20 s on two cores.
"""

import numpy as np

from analysis.statistics.bootstrap import Resampled, interval, patient_weights, resampled_auc, win_matrix
from benchmarks.tools import parser, timed

IMAGES_A_PATIENT = 12


def main() -> None:
    """Measure once and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, default=100)
    arguments.add_argument("--resamples", type=int, default=2000)
    arguments.add_argument("--images", type=int, default=5000)
    args = arguments.parse_args()
    seconds = timed(intervals, args.trials, args.resamples, args.images)
    asked = f"{args.trials} trials x {args.resamples} resamples x {args.images} images"
    print(f"{asked}: {seconds.wall:.1f} s wall, {seconds.cpu:.1f} s CPU (goal: 20 s)")


def intervals(trials: int, resamples: int, images: int) -> None:
    """The interval of every trial's AUC, and of its difference to the first trial's."""
    rng = np.random.default_rng(0)
    patient = np.arange(images) // IMAGES_A_PATIENT
    patients = np.unique(patient)
    label = rng.integers(0, 2, images)
    weights = patient_weights(len(patients), resamples, "benchmark")
    first: Resampled | None = None
    for _ in range(trials):
        drawn = resampled_auc(win_matrix(label, rng.normal(label, 1), patient, patients), weights)
        if first is None:
            first = drawn
        interval(drawn)
        interval(drawn - first)


if __name__ == "__main__":
    main()
