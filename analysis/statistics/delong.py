"""DeLong's standard errors of an AUC and of a paired difference, for images that are independent of each other.

They are right where every patient gave one image, and too small where patients gave several; the ratio of the clustered
bootstrap's error to DeLong's says by how much. The report's intervals are the bootstrap's; this is their cross-check.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.read.configurations import keys_of_full
from analysis.read.load import Run
from analysis.read.trial_arrays import image_scores
from analysis.statistics.bootstrap import Resampled, TrialDraws

COLUMNS = ["trained on", "scored on", "patients", "images", "what", "DeLong", "clustered bootstrap", "ratio"]


class DeLong(NamedTuple):
    """AUCs of k scores on the same images."""

    auc: np.ndarray  # (k,)
    covariance: np.ndarray  # (k, k); NaN with fewer than two images of a class

    def error(self) -> float:
        """Standard error of the first AUC."""
        return math.sqrt(self.covariance[0, 0])

    def difference_error(self) -> float:
        """Standard error of the first AUC minus the second."""
        (a, both), (_, b) = self.covariance[:2, :2]
        return math.sqrt(max(a + b - 2 * both, 0.0))  # of a score with itself rounding can leave -1e-19


def delong(label: np.ndarray, scores: np.ndarray) -> DeLong:
    """``label`` (n,) of 0 and 1, ``scores`` (n, k) -> AUCs and their covariance.

    DeLong et al., Biometrics 1988, by midranks in O(n log n): Sun and Xu, IEEE Signal Processing Letters 2014.
    """
    label = np.asarray(label).astype(bool)
    positives, negatives = scores[label], scores[~label]
    m, n = len(positives), len(negatives)
    if min(m, n) < 2:
        return DeLong(np.full(scores.shape[1], np.nan), np.full((scores.shape[1],) * 2, np.nan))
    everywhere = _midranks(np.concatenate([positives, negatives]))
    below = (everywhere[:m] - _midranks(positives)) / n  # of each positive, the share of negatives it beats
    above = 1 - (everywhere[m:] - _midranks(negatives)) / m
    covariance = np.cov(below, rowvar=False).reshape(-1, scores.shape[1]) / m
    covariance = covariance + np.cov(above, rowvar=False).reshape(-1, scores.shape[1]) / n
    return DeLong(below.mean(axis=0), covariance)


def _midranks(scores: np.ndarray) -> np.ndarray:
    """(n, k) -> the ranks in each column, from 1; equal scores share their mean rank. A NaN makes its column NaN."""
    table = pd.DataFrame(scores)
    return table.rank().where(table.notna().all(), axis=1).to_numpy()


def cross_check(run: Run, table: pd.DataFrame, draws: dict[str, TrialDraws], keys: dict[str, tuple]) -> pd.DataFrame:
    """Standard errors of one training of each choice, and of its difference to full sampling, by both methods.

    ``keys``: source vendor -> trials of its choice. Test patients; COLUMNS, a row a source and test vendor.
    """
    rows = []
    for source, chosen in keys.items():
        if not chosen:
            continue
        pair = [chosen[0], *keys_of_full(table, chosen)[:1]]
        read = [image_scores(run.root, key, run.cohort) for key in pair]
        scores = [of_trial for of_trial in read if of_trial is not None]
        if len(scores) < len(pair):
            continue
        for vendor in sorted(scores[0]["vendor"].unique()):
            of_pair = [draws.get(key, {}).get(("test", vendor)) for key in pair]
            resampled = [of_trial for of_trial in of_pair if of_trial is not None]
            if len(resampled) == len(pair):
                of_vendor = [images[(images["split"] == "test") & (images["vendor"] == vendor)] for images in scores]
                about = {"trained on": source, "scored on": vendor}
                rows += [about | row for row in _both_errors(of_vendor, resampled)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _both_errors(scores: list[pd.DataFrame], resampled: list[Resampled]) -> list[dict[str, Any]]:
    """The scores of one trial, or of a pair, on the same test images, and its resampled AUCs -> a row a quantity."""
    by_row = [images.set_index("row") for images in scores]
    about = by_row[0][["label", "patient_id"]]
    on_same_images = np.column_stack([images["score"].reindex(about.index) for images in by_row])
    exact = delong(about["label"].to_numpy(), on_same_images)
    errors = {"AUC": (exact.error(), resampled[0].error)}
    if len(by_row) == 2:
        errors["difference"] = (exact.difference_error(), (resampled[0] - resampled[1]).error)
    rows = []
    for quantity, (independent, clustered) in errors.items():
        row = {"patients": about["patient_id"].nunique(), "images": len(about), "what": quantity}
        row |= {"DeLong": independent, "clustered bootstrap": clustered}
        row["ratio"] = clustered / independent if independent > 0 else math.nan
        rows.append(row)
    return rows
