"""How many patients of each class a model was scored on, for records that do not say: counted in cohort.csv."""

import dataclasses

import pandas as pd

from tune_ks.core.domains import ClassPatients, sources_of
from tune_ks.core.record import SPLITS, TrialRecord


def with_patients(records: dict[str, TrialRecord], cohort: pd.DataFrame) -> dict[str, TrialRecord]:
    """The records, with the cohort's numbers of patients where a record holds none. Without a cohort as they are."""
    if cohort.empty:
        return records
    of_source: dict[str, dict[str, ClassPatients]] = {}
    completed = {}
    for key, record in records.items():
        if record.patients is None:
            source = record.config.vendor
            if source not in of_source:
                of_source[source] = class_patients(cohort, source)
            record = dataclasses.replace(record, patients=of_source[source])
        completed[key] = record
    return completed


def class_patients(cohort: pd.DataFrame, source: str) -> dict[str, ClassPatients]:
    """Role ("val GE", "test GE" ...) -> its patients, of a model that was trained on ``source``.

    Of the other vendors all patients that are not test patients serve as validation patients.
    """
    serves = cohort["split"].where(cohort["vendor"].isin(sources_of(source)) | (cohort["split"] == "test"), "val")
    counts = {}
    for (split, vendor), images in cohort.groupby([serves, "vendor"]):
        if split not in SPLITS:  # trained on
            continue
        counts[f"{split} {vendor}"] = count_patients(images["label"], images["patient_id"])
    return counts


def count_patients(label: pd.Series, patient: pd.Series) -> ClassPatients:
    """``label`` and ``patient`` of some images -> the patients with an image of each class."""
    return ClassPatients(int(patient[label == 1].nunique()), int(patient[label == 0].nunique()))
