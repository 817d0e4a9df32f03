"""Scores of a cohort by several models, as an archive and a table of metrics; what is kept of each image there."""

import numpy as np
import pandas as pd

from tune_ks.core.arrays import write_npz
from tune_ks.core.storage import StoragePath
from tune_ks.core.tables import write_csv


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


def write_scores(
    folder: StoragePath, name: str, table: pd.DataFrame, summary: pd.DataFrame, **arrays: np.ndarray
) -> list[StoragePath]:
    """Write NAME.csv (``summary``: metrics) and NAME.npz (``arrays``, and what is kept of each image of ``table``).

    Patients are numbered there, without their ids. The npz alone is enough for every later statistic.
    """
    csv = folder / f"{name}.csv"
    npz = folder / f"{name}.npz"
    write_npz(npz, **arrays, **kept_of_images(table))
    write_csv(csv, summary)
    return [csv, npz]
