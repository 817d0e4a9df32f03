"""Which vendors are trained on, and which the cross-domain mean is over: those with enough patients of each class.

Only this file decides it: the search's objectives, the epochs, the records and the whole analysis ask here. A source is
a text: the name of one vendor, or several names joined by "+" (GE+SIEMENS).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

# Patients of each class that a vendor of the mean must have. A mean over vendors weighs all alike, so a vendor of two
# patients would bring half of the mean and nearly all of its error. From this number on the 90 % intervals are tested
# to cover (benchmarks/interval_coverage.py).
FEWEST = 8
JOINT = "+"  # between the names of several source vendors; no vendor and no domain has it in its name


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


def sources_of(source: str) -> tuple[str, ...]:
    """The vendors that a source names, sorted: one, or several. ValueError for a missing or repeated name."""
    if JOINT not in source:
        return (source,)
    names = sorted(name.strip() for name in source.split(JOINT))
    if "" in names or len(set(names)) < len(names):
        raise ValueError(f"several source vendors are different names with {JOINT} between them, got {source!r}")
    return tuple(names)


def joined(vendors: Sequence[str]) -> str:
    """The one text that names these source vendors, in whatever order they are given."""
    return JOINT.join(sorted(vendors))


def is_source(vendor: str, source: str) -> bool:
    """Whether this vendor is trained on."""
    return vendor in sources_of(source)


def leave_one_out(vendors: Sequence[str]) -> list[str]:
    """Every source that leaves out one of the vendors. ValueError where fewer than two vendors would be left."""
    if len(vendors) < 3:
        raise ValueError(
            "to leave one out and train on several, a cohort needs three or more to choose from; it has "
            f"{', '.join(sorted(vendors))}"
        )
    return sorted(joined([name for name in vendors if name != left_out]) for left_out in vendors)


def require_others(source: str, vendors: Collection[str]) -> None:
    """ValueError where several are trained on and none of the cohort's ``vendors`` is left to test on."""
    sources = sources_of(source)
    if len(sources) > 1 and not set(vendors) - set(sources):
        raise ValueError(
            f"a training on {joined(sources)} has no other to be tested on, as these are all that the cohort has: "
            "leave one of them out"
        )


def mean_of_sources(scores: Mapping[str, float], source: str) -> float:
    """The in-domain metric: the mean over the source vendors, each by itself; NaN where one of them has no value."""
    values = [scores.get(vendor, math.nan) for vendor in sources_of(source)]
    return values[0] if len(values) == 1 else sum(values) / len(values)


def other_vendors(
    scores: Mapping[str, float],
    source: str,
    patients: Mapping[str, ClassPatients] | None = None,
    classes: Sequence[int] = (1, 0),
) -> OtherVendors:
    """The scored vendors that the cross-domain mean is over; never one of ``source``.

    ``patients``: vendor -> its patients, as far as they are known; a vendor that is not in it has enough. ``classes``:
    the labels of which the metric needs patients. A vendor without a value never counts. Where no vendor has enough
    patients, all with a value count: a training on one vendor is then still tested on the only other one.
    """
    patients = patients or {}
    sources = sources_of(source)
    counted, small, left_out = [], {}, {}
    for vendor in sorted(scores):
        if vendor in sources:
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
