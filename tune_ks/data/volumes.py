"""Volumes: which rows of a cohort's table make them, and the two classes of their masks."""

import numpy as np
import pandas as pd

LESION = 1  # the bit of a mask's pixel that says that a tumour or a scar is there ...
ORGAN = 2  # ... and the bit of the organ that holds it, where the folder says where that is


def volume_rows(table: pd.DataFrame, chosen: np.ndarray, slices: int) -> np.ndarray:
    """Places ``chosen`` (n,) in the table -> (m,): the ``slices`` middle slices of each patient of each vendor.

    Patient after patient, and within a patient in the order of the slices, so that every run of ``slices`` places is
    one volume. ValueError for a patient with fewer slices, or where a slice of the volume is missing or there twice.
    """
    rows = table.iloc[chosen].assign(at=chosen)
    kept = []
    for (_, patient), of_patient in rows.groupby(["vendor", "patient_id"]):
        in_order = of_patient.sort_values("slice", kind="stable")
        if len(in_order) < slices:
            raise ValueError(
                f"a volume of {slices} pixels a side needs {slices} slices of every patient, and {patient} has "
                f"{len(in_order)}: give whole series, a smaller image_size, or a task that reads single slices"
            )
        first = (len(in_order) - slices) // 2
        volume = in_order.iloc[first : first + slices]
        if not (np.diff(volume["slice"].to_numpy(float)) == 1).all():
            raise ValueError(
                f"a volume needs slices whose numbers follow one another, and those of {patient} do not: "
                f"{_shown(volume['slice'].tolist())}"
            )
        kept.append(volume["at"].to_numpy())
    return np.concatenate(kept) if kept else chosen[:0]


def require_slices(table: pd.DataFrame, slices: int) -> None:
    """ValueError as ``volume_rows`` raises it, for all patients of a table."""
    volume_rows(table, np.arange(len(table)), slices)


def require_cube(side: int, slices: int) -> None:
    """ValueError where slices of ``side`` pixels do not make cubes of ``slices`` slices."""
    if side != slices:
        raise ValueError(
            f"a volume of {slices} slices needs images of {slices} pixels a side, and the cohort's have {side}: an "
            "image is never enlarged before sampling; give a smaller image_size"
        )


def _shown(numbers: list[float]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers[:6])
    return f"{shown} ..." if len(numbers) > 6 else shown
