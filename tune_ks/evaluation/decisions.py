"""What ``predict`` writes: each image with its probability, threshold and call, and each patient with those of all.

A patient's probability is the highest of the patient's images, as in the analysis by patient ("maximum"), and a patient
is positive where one image is. The more images a patient has, the more often that happens by chance: the threshold has
its specificity for single images.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tune_ks.core.record import TrialRecord
from tune_ks.evaluation.operating_point import NEGATIVE, POSITIVE, UNDECIDED, OperatingPoint

NOTICE = "For research only: this is no medical device, and no decision about a patient may rest on it."
PATIENT_RULE = "maximum: the probability of a patient is the highest of the patient's images"


class Judge(NamedTuple):
    """A model that decides, by its record and its operating point."""

    record: TrialRecord  # of an ensemble that of one of its trainings
    point: OperatingPoint
    members: tuple[str, ...] = ()  # the keys of an ensemble's trainings; () for a single training


class Decisions(NamedTuple):
    """One row a model and image, and one row a model and patient."""

    images: pd.DataFrame  # key, trainings, trained_on, sampling_rate, path, patient_id, vendor, probability ... notice
    # key, trainings, trained_on, sampling_rate, patient_id, vendor, images, positive_images ... notice
    patients: pd.DataFrame


def decisions(scores: pd.DataFrame, judges: Mapping[str, Judge]) -> Decisions:
    """``scores``: key, path, patient_id, vendor and score (a logit) of every image and model; ``judges`` by key."""
    of_images = [_of_model(of_key, judges[key]) for key, of_key in scores.groupby("key", sort=False)]
    images = pd.concat(of_images, ignore_index=True)
    of_patients = []
    for _, of_patient in images.groupby(["key", "patient_id"], sort=False):
        of_patients.append(_of_patient(of_patient))
    return Decisions(images, pd.DataFrame(of_patients))


def _of_model(scores: pd.DataFrame, judge: Judge) -> pd.DataFrame:
    config = judge.record.config
    table = pd.DataFrame({"key": scores["key"], "trainings": max(1, len(judge.members))})
    table = table.assign(trained_on=config.vendor, sampling_rate=config.sampling_rate)
    for name in ("path", "patient_id", "vendor"):
        table[name] = scores[name]
    table["probability"] = logistic(scores["score"].to_numpy(np.float64))
    table["threshold"] = logistic(np.float64(judge.point.threshold))
    pairs = list(zip(scores["score"], scores["vendor"]))
    table["call"] = [judge.point.call(score, vendor) for score, vendor in pairs]
    table["why"] = [judge.point.why_undecided(vendor) for vendor in scores["vendor"]]
    return table.assign(notice=NOTICE)


def _of_patient(images: pd.DataFrame) -> dict[str, Any]:
    """One patient's row. An image that is not decided leaves the patient undecided, unless another one is positive."""
    highest = images.loc[images["probability"].idxmax()]
    calls = list(images["call"])
    if POSITIVE in calls:
        call = POSITIVE
    elif UNDECIDED in calls:
        call = UNDECIDED
    else:
        call = NEGATIVE
    undecided = [why for why in images["why"].unique() if why]
    return {
        **highest[["key", "trainings", "trained_on", "sampling_rate", "patient_id"]].to_dict(),
        "vendor": "+".join(sorted(images["vendor"].unique())),
        "images": len(images),
        "positive_images": calls.count(POSITIVE),
        "probability": highest["probability"],
        "threshold": highest["threshold"],
        "call": call,
        "why": "; ".join(undecided) if call == UNDECIDED else "",
        "highest_path": highest["path"],
        "notice": NOTICE,
    }


def logistic(logit: ArrayLike) -> np.ndarray:
    """1 / (1 + exp(-x)), without an overflow for a large negative x; NaN where there is no threshold."""
    with np.errstate(invalid="ignore"):
        return np.exp(-np.logaddexp(0, np.negative(logit)))
