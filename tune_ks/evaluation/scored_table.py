"""What is kept of each image beside its scores, in the archives that hold scores of a cohort by several models."""

import numpy as np
import pandas as pd


def numbered_patients(table: pd.DataFrame) -> np.ndarray:
    """(n,) the number of each image's patient, in order of the ids, which stay here."""
    return np.unique(table["patient_id"].to_numpy(str), return_inverse=True)[1].astype(np.int32)


def kept_of_images(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """``label``, ``patient`` (a number) and ``vendor`` of the n rows of a cohort's table, (n,) each."""
    return {
        "label": table["label"].to_numpy(np.int8),
        "patient": numbered_patients(table),
        "vendor": table["vendor"].to_numpy(str),
    }
