"""The table of a cohort: its columns, how it is written and read, and the split of its patients."""

import math

import numpy as np
import pandas as pd

from tune_ks.core.seeding import generator
from tune_ks.core.storage import StoragePath, open_whole, write_whole
from tune_ks.data.layouts.items import SPLITS
from tune_ks.data.layouts.sheets import InputError, counted

TEXTS = ("path", "patient_id", "vendor", "series", "split", "orientation", "model", "phase", "digest")
COLUMNS = (
    *("row", "path", "patient_id", "vendor", "series", "label", "slice", "position", "split"),
    *("orientation", "height", "width", "spacing_mm", "model", "field_t", "tr_ms", "te_ms", "flip_deg"),
    *("acquired_width", "thickness_mm", "phase", "low", "high", "mean", "p75", "p90", "digest"),
)


def split_patients(
    table: pd.DataFrame, split_seed: int, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
) -> pd.Series:
    """ "train", "val" or "test" for each row, the same for all rows of a patient.

    Stratified by vendor and by which classes the patient has; a stratum of three patients or more has one in each
    split at least. Strata of fewer are pooled within their vendor. InputError for a vendor of fewer than 3 patients.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1):
        raise ValueError(f"fractions must be three positive numbers that sum to 1, got {fractions}")
    known = table.dropna(subset="label").astype({"label": int})
    classes = known.groupby("patient_id")["label"].agg(lambda labels: "".join(map(str, sorted(set(labels)))))
    vendors = table.groupby("patient_id")["vendor"].agg(lambda names: "+".join(sorted(set(names))))
    patients = pd.DataFrame({"vendor": vendors, "classes": classes}).fillna({"classes": ""}).sort_index()
    split: dict[str, str] = {}
    for vendor, of_vendor in patients.groupby("vendor"):
        if len(of_vendor) < 3:
            raise InputError(
                f"{vendor} has {counted(len(of_vendor), 'patient')}: a split by patient into {', '.join(SPLITS)}"
                " needs at least 3"
            )
        sizes = of_vendor.groupby("classes")["classes"].transform("size")
        strata = of_vendor["classes"].where(sizes >= 3, "few")
        if (strata == "few").sum() in (1, 2):  # too few to be split: they join the largest stratum
            largest = strata[strata != "few"].value_counts().sort_index().idxmax()
            strata = strata.replace("few", largest)
        for stratum, members in of_vendor.groupby(strata):
            order = generator(split_seed, "split", vendor, stratum).permutation(len(members))
            n_val, n_test = (max(1, round(len(members) * fraction)) for fraction in fractions[1:])
            names = ["val"] * n_val + ["test"] * n_test + ["train"] * max(0, len(members) - n_val - n_test)
            if "train" not in names[: len(members)]:  # rounding up took them all
                names = ["val", "test"] + ["train"] * (len(members) - 2)
            split |= {members.index[i]: name for i, name in zip(order, names)}
    return table["patient_id"].map(split).rename("split")


def with_splits(table: pd.DataFrame, split_seed: int) -> pd.DataFrame:
    """A copy of the table whose ``split`` is filled: labels.csv's own where it has one, else ``split_patients``."""
    if table["split"].isin(SPLITS).all():
        return table.copy()
    return table.assign(split=split_patients(table, split_seed))


def read_table(path: StoragePath) -> pd.DataFrame:
    """A table as ``write_table`` wrote it. ValueError names the file, and the columns that are missing."""
    try:
        table = pd.read_csv(open_whole(path), dtype=str, keep_default_na=False, index_col=False)
        missing = [name for name in COLUMNS if name not in table]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        for name in table.columns.difference(TEXTS, sort=False):
            table[name] = pd.to_numeric(table[name])
        if not np.array_equal(table["row"], np.arange(len(table))):
            raise ValueError("its rows are not numbered 0, 1, 2 ...")
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{path} is not a cohort table: {error}") from error
    return table


def write_table(path: StoragePath, table: pd.DataFrame) -> None:
    """Write a cohort's table as CSV, whole or not at all."""
    write_whole(path, table.to_csv(index=False).encode())
