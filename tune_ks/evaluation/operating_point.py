"""Where a trained model calls an image positive: above the threshold of a fixed specificity on its own validation.

The threshold is set on the images without a tumour of the source vendor's validation patients, as the analysis sets it;
for each training by itself, because scores of two trainings have no common scale; of an ensemble on the mean of its
trainings' scores. It needs cohort.csv and scores.npz of the run folder: a record that was passed on alone has no
threshold, and then nothing is called.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tune_ks.core.arrays import read_arrays
from tune_ks.core.operating_point import threshold
from tune_ks.core.record import SPLIT_CODES, TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.way_out import reason_of
from tune_ks.data.cohort.table import read_table

POSITIVE, NEGATIVE, UNDECIDED = "positive", "negative", "not decided"


@dataclass(frozen=True)
class OperatingPoint:
    """The threshold of one model, and what is known of it. A share is NaN where there is nothing to take it of."""

    threshold: float  # a logit; NaN where none could be set
    why_not: str  # why none could be set; "" where there is one
    vendors: tuple[str, ...]  # that the run has measured this model on: images of others are not called
    images: int = 0  # of the source vendor's validation without a tumour: they set the threshold
    patients: int = 0  # whose images these are
    specificity: float = math.nan  # the share of these images that are called negative
    sensitivity: float = math.nan  # of the source vendor's validation images with a tumour, the share called positive
    patients_without: int = 0  # validation patients of the source vendor of whom no image has a tumour
    patient_specificity: float = math.nan  # the share of these patients of whom no image is called positive

    def why_undecided(self, vendor: str) -> str:
        """Why an image of this vendor is not called; "" where it is."""
        if math.isnan(self.threshold):
            return self.why_not
        return "" if vendor in self.vendors else f"{vendor} was never seen: the run has no images of it"

    def call(self, score: float, vendor: str) -> str:
        """POSITIVE for a logit above the threshold, else NEGATIVE; UNDECIDED where there is nothing to decide by."""
        if self.why_undecided(vendor):
            return UNDECIDED
        return POSITIVE if score > self.threshold else NEGATIVE


def operating_point(folder: RunFolder, record: TrialRecord, *others: TrialRecord) -> OperatingPoint:
    """The operating point of one finished trial, or of its ensemble with ``others`` that differ in their seed."""
    vendors = tuple(sorted({*record.val, *record.test, *record.config.sources}))
    try:
        images = _validation_images(folder, [record, *others])
    except (ValueError, OSError) as error:
        return OperatingPoint(math.nan, f"no threshold: {reason_of(error)}", vendors)
    cut = threshold(images["label"].to_numpy(), images["score"].to_numpy())
    if math.isnan(cut):
        why = f"no threshold: the validation of {record.config.vendor} has no image without a tumour"
        return OperatingPoint(math.nan, why, vendors)
    above = images["score"] > cut
    with_tumour = images["label"] == 1
    negatives = images[images["label"] == 0]
    any_tumour = with_tumour.groupby(images["patient_id"]).any()
    any_above = above.groupby(images["patient_id"]).any()
    return OperatingPoint(
        threshold=cut,
        why_not="",
        vendors=vendors,
        images=len(negatives),
        patients=negatives["patient_id"].nunique(),
        specificity=_share(~above[images["label"] == 0]),
        sensitivity=_share(above[with_tumour]),
        patients_without=int((~any_tumour).sum()),
        patient_specificity=_share(~any_above[~any_tumour]),
    )


def _validation_images(folder: RunFolder, records: Sequence[TrialRecord]) -> pd.DataFrame:
    """patient_id, label and mean score of the labelled validation images of the vendors that were trained on."""
    trainings = [_scored_validation(folder, record) for record in records]
    images = trainings[0]
    for other in trainings[1:]:
        if not images.index.equals(other.index):
            raise ValueError("the trainings were not validated on the same images")
    score = sum(training["score"] for training in trainings) / len(trainings)
    return images.assign(score=score).dropna(subset=["label", "score"])


def _scored_validation(folder: RunFolder, record: TrialRecord) -> pd.DataFrame:
    """patient_id, label and score of the validation images of the source vendors, by row of the cohort."""
    cohort = read_table(folder.cohort_csv)
    columns = read_arrays(folder.trial(record.config.key(), "scores.npz"), ("row", "split", "score"))
    row = columns["row"]
    if not (row.ndim == 1 and row.shape == columns["split"].shape == columns["score"].shape):
        raise ValueError("scores.npz and cohort.csv do not belong together")
    if len(row) and not 0 <= row.min() <= row.max() < len(cohort):
        raise ValueError("scores.npz and cohort.csv do not belong together")
    images = cohort.loc[row, ["patient_id", "vendor", "label"]]
    images["score"] = columns["score"].astype(np.float64)
    chosen = (columns["split"] == SPLIT_CODES["val"]) & images["vendor"].isin(record.config.sources)
    return images[chosen]


def _share(true: pd.Series) -> float:
    return float(true.mean()) if len(true) else math.nan
