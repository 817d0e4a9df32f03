"""Do predicted probabilities agree with what is observed: in bins that hold equal numbers of images.

Bins of equal width would be nearly empty where a model rarely predicts; equal counts make every point as sure.
"""

from typing import Any

import numpy as np

from analysis.results.operating import Part
from analysis.statistics.bootstrap import interval, resampled_mean
from analysis.statistics.special import expit

MOST_BINS = 10
IMAGES, OF_CLASS = 20, 5  # that a bin should hold: so many, and as a mean so many of each class


def number_of_bins(images: int, positives: int) -> int:
    """At most ten; fewer where a bin would hold too few images, or too few of the scarcer class."""
    scarcer = min(positives, images - positives)
    return max(1, min(MOST_BINS, images // IMAGES, scarcer // OF_CLASS))


def equal_count_bins(value: np.ndarray, bins: int) -> np.ndarray:
    """(n,) -> (n,) the number of each value's bin, from 0: by rank, equal values by the rank of their first."""
    rank = np.searchsorted(np.sort(value), value, side="left")
    return np.unique(rank * bins // len(value), return_inverse=True)[1]


def reliability_rows(parts: list[Part]) -> list[dict[str, Any]]:
    """A row a bin; all trainings' predictions together, intervals by patient, counts as the mean of a training."""
    probability = np.concatenate([expit(part.score) for part in parts])
    label = np.concatenate([part.label for part in parts])
    patient = np.concatenate([part.patient for part in parts])
    bins = number_of_bins(len(parts[0].label), int(parts[0].label.sum()))
    place = equal_count_bins(probability, bins)
    rows = []
    for number in range(place.max() + 1):
        here = place == number
        observed = resampled_mean(label.astype(float), here, patient, parts[0].weights)
        ends = interval(observed)
        rows.append(
            {
                "from": float(probability[here].min()),
                "to": float(probability[here].max()),
                "predicted": float(probability[here].mean()),
                "observed": observed.point,
                "low": ends.low,
                "high": ends.high,
                "images": float(here.sum() / len(parts)),
                "with tumour": float(label[here].sum() / len(parts)),
            }
        )
    return rows
