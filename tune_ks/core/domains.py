"""Which vendors the cross-domain mean is over: those with enough patients of each class, the others by name and why.

Only this file decides it: the search's objectives, the epochs, the records and the whole analysis ask here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Patients of each class that a vendor of the mean must have. A mean over vendors weighs all alike, so a vendor of two
# patients would bring half of the mean and nearly all of its error. From this number on the 90 % intervals are tested
# to cover (benchmarks/interval_coverage.py).
FEWEST = 8


class ClassPatients(NamedTuple):
    """How many patients have an image with a tumour, and how many one without; a patient may be in both."""

    with_tumour: int
    without: int

    def __str__(self) -> str:
        return f"{self.with_tumour} patient(s) with a tumour, {self.without} without"


class OtherVendors(NamedTuple):
    """The vendors of one cross-domain mean."""

    counted: tuple[str, ...]  # sorted; the mean is over these
    left_out: dict[str, str]  # vendor -> why it is not in the mean
    all_small: bool = False  # no vendor has enough patients, so that all with a value count


def other_vendors(
    scores: Mapping[str, float],
    source: str,
    patients: Mapping[str, ClassPatients] | None = None,
    classes: Sequence[int] = (1, 0),
) -> OtherVendors:
    """Of the vendors that were scored, those that the cross-domain mean is over.

    ``patients``: vendor -> its patients, as far as they are known; a vendor that is not in it has enough. ``classes``:
    the labels of which the metric needs patients. A vendor without a value never counts. Where no vendor has enough
    patients, all with a value count: a training on one vendor is then still tested on the only other one.
    """
    patients = patients or {}
    counted, small, left_out = [], {}, {}
    for vendor in sorted(scores):
        if vendor == source:
            continue
        known = patients.get(vendor)
        fewest = math.inf if known is None else min((_of_class(known, label) for label in classes), default=math.inf)
        if math.isnan(scores[vendor]):
            left_out[vendor] = _why_undefined(known, fewest)
        elif fewest < FEWEST:
            small[vendor] = f"{known}, fewer than {FEWEST}"
        else:
            counted.append(vendor)
    if counted or not small:
        return OtherVendors(tuple(counted), left_out | small)
    return OtherVendors(tuple(small), left_out, all_small=True)


def mean_of_others(
    scores: Mapping[str, float],
    source: str,
    patients: Mapping[str, ClassPatients] | None = None,
    classes: Sequence[int] = (1, 0),
) -> float:
    """The cross-domain metric: the mean over ``other_vendors``; NaN where there is none."""
    counted = other_vendors(scores, source, patients, classes).counted
    return sum(scores[vendor] for vendor in counted) / len(counted) if counted else math.nan


def _of_class(patients: ClassPatients, label: int) -> int:
    return patients.with_tumour if label == 1 else patients.without


def _why_undefined(patients: ClassPatients | None, fewest: float) -> str:
    if fewest != 0 or patients is None:
        return "it has no value"
    return f"{patients}: the metric needs both" if patients.with_tumour or patients.without else "no labelled image"
