"""Calls of images and patients from made scores, against calls by hand."""

import numpy as np
import pandas as pd
import pytest

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.evaluation.decisions import Judge, decisions, logistic
from tune_ks.evaluation.operating_point import OperatingPoint

IMAGES = [  # patient, vendor, logit, call
    ("a", "GE", 0.5, "negative"),
    ("a", "GE", 0.6, "positive"),
    ("b", "GE", -900.0, "negative"),
    ("c", "GE", 0.4, "negative"),
    ("c", "CANON", 3.0, "not decided"),
    ("d", "GE", 0.7, "positive"),
    ("d", "CANON", 0.9, "not decided"),
]
PATIENTS = {"a": "positive", "b": "negative", "c": "not decided", "d": "positive"}


def test_calls_are_those_made_by_hand():
    config = TrialConfig("GE", 0.5, mask="lowpass")
    judge = Judge(TrialRecord(config, {}, {}, 0.5), OperatingPoint(0.5, "", ("GE",)))
    columns = ["patient_id", "vendor", "score", "by_hand"]
    scores = pd.DataFrame(IMAGES, columns=columns).assign(key=config.key(), path="p")
    decided = decisions(scores, {config.key(): judge})
    assert list(decided.images["call"]) == list(scores["by_hand"])
    assert dict(zip(decided.patients["patient_id"], decided.patients["call"])) == PATIENTS
    by_patient = decided.patients.set_index("patient_id")
    assert by_patient.loc["c", "vendor"] == "CANON+GE"
    assert by_patient.loc["c", "why"] == "CANON was never seen: the run has no images of it"
    assert by_patient.loc["d", "why"] == ""
    assert by_patient.loc["d", "probability"] == logistic(0.9)
    assert by_patient.loc["b", "probability"] == 0.0, "without a warning of an overflow"
    assert list(by_patient["positive_images"]) == [1, 0, 0, 1]


@pytest.mark.filterwarnings("error")
def test_no_threshold_has_no_probability_and_says_nothing_on_the_terminal():
    assert np.isnan(logistic(np.nan))
    assert logistic(-1000.0) == 0
