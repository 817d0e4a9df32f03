"""The table of a cohort: its columns, how it is written and read, and the split of its patients."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tune_ks.core.domain_words import DOMAIN_WORDS, VENDOR_WORDS, DomainWords
from tune_ks.core.seeding import generator
from tune_ks.core.storage import StoragePath
from tune_ks.core.tables import read_csv, write_csv
from tune_ks.core.way_out import damaged
from tune_ks.data.layouts.items import SPLITS
from tune_ks.data.layouts.sheets import InputError, counted

TEXTS = (
    "path",
    "patient_id",
    "vendor",
    "series",
    "split",
    "orientation",
    "model",
    "phase",
    "digest",
    "breast",
    "manufacturer",
)
COLUMNS = (
    *("row", "path", "patient_id", "vendor", "series", "label", "slice", "position", "split"),
    *("orientation", "height", "width", "spacing_mm", "model", "field_t", "tr_ms", "te_ms", "flip_deg"),
    *("acquired_width", "thickness_mm", "phase", "low", "high", "mean", "p75", "p90", "digest"),
)
WHERE_GIVEN = ("breast", "manufacturer")  # columns of a table only where an image has them
MIN_PATIENTS = 3  # of a vendor, and of a stratum: one for each split
POOLED = "few"  # the stratum of patients from strata that are too small


def manufacturer_of(row: Mapping[str, Any] | pd.Series) -> str:
    """The maker of an image's scanner: the domain itself, unless the table has a column for it."""
    return row["manufacturer"] if "manufacturer" in row else row["vendor"]


def words_of_table(table: pd.DataFrame) -> DomainWords:
    """What sentences call the domains of a cohort's table: vendors, unless it names the manufacturers apart."""
    return DOMAIN_WORDS if "manufacturer" in table else VENDOR_WORDS


def split_patients(
    table: pd.DataFrame, split_seed: int, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
) -> pd.Series:
    """ "train", "val" or "test" for each row, the same for all rows of a patient.

    Stratified by vendor and by the classes that a patient has. A stratum of three patients or more has at least one in
    each split; smaller strata are pooled within their vendor. Patients whom several vendors scanned are a group of
    their own (``GE+SIEMENS``). A group of fewer than three is trained on, where the vendor has three patients or more
    with the others. InputError for a vendor of fewer than three patients.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1):
        raise ValueError(f"fractions must be three positive numbers that sum to 1, got {fractions}")
    split: dict[str, str] = {}
    _require_patients(table)
    for vendor, patients in _patients(table).groupby("vendor"):
        if len(patients) < MIN_PATIENTS:
            split |= dict.fromkeys(patients.index, "train")
            continue
        for stratum, of_stratum in patients.groupby(_strata(patients["classes"])):
            order = generator(split_seed, "split", vendor, stratum).permutation(len(of_stratum))
            split |= zip(of_stratum.index[order], _split_names(len(of_stratum), fractions))
    return table["patient_id"].map(split).rename("split")


def _require_patients(table: pd.DataFrame) -> None:
    """InputError for a vendor of fewer than MIN_PATIENTS patients; one whom two vendors scanned counts for both."""
    for vendor, count in table.groupby("vendor")["patient_id"].nunique().items():
        if count < MIN_PATIENTS:
            raise InputError(
                f"{vendor} has {counted(count, 'patient')}: a split by patient into {', '.join(SPLITS)}"
                f" needs at least {MIN_PATIENTS}. Add patients of {vendor}, leave its images out of the folder, or give"
                " the split of every patient yourself (the column split of labels.csv)"
            )


def training_patients(table: pd.DataFrame, vendor: str, share: float) -> set[str]:
    """A share of a vendor's training patients: of those with the same classes that share, and at least one.

    Their order is the same for every share and every trial, so that a larger share holds a smaller one.
    """
    patients = _patients(table[(table["vendor"] == vendor) & (table["split"] == "train")])
    chosen: set[str] = set()
    for classes, alike in patients.groupby("classes"):
        order = generator(0, "train_share", vendor, classes).permutation(len(alike))
        count = max(1, round(share * len(alike)))
        chosen |= set(alike.index[order[:count]])
    return chosen


def _patients(table: pd.DataFrame) -> pd.DataFrame:
    """patient -> vendor, and classes: "0", "1", "01", or "" where no label is known."""
    known = table.dropna(subset="label").astype({"label": int})
    classes = known.groupby("patient_id")["label"].agg(lambda labels: "".join(map(str, sorted(set(labels)))))
    vendors = table.groupby("patient_id")["vendor"].agg(lambda names: "+".join(sorted(set(names))))
    return pd.DataFrame({"vendor": vendors, "classes": classes}).fillna({"classes": ""}).sort_index()


def _strata(classes: pd.Series) -> pd.Series:
    """The classes of one vendor's patients -> the stratum of each, none of which is smaller than MIN_PATIENTS."""
    sizes = classes.groupby(classes).transform("size")
    strata = classes.where(sizes >= MIN_PATIENTS, POOLED)
    if 0 < (strata == POOLED).sum() < MIN_PATIENTS:  # pooled they are still too few: they join the largest stratum
        largest = strata[strata != POOLED].value_counts().sort_index().idxmax()
        strata = strata.replace(POOLED, largest)
    return strata


def _split_names(count: int, fractions: tuple[float, float, float]) -> list[str]:
    """The split of each of ``count`` patients of a stratum in random order; at least one in each split."""
    n_val = max(1, round(count * fractions[1]))
    n_test = max(1, round(count * fractions[2]))
    n_train = count - n_val - n_test
    if n_train < 1:  # rounding up left none for training
        return ["val", "test"] + ["train"] * (count - 2)
    return ["val"] * n_val + ["test"] * n_test + ["train"] * n_train


def with_splits(table: pd.DataFrame, split_seed: int) -> pd.DataFrame:
    """A copy of the table whose ``split`` is filled: as labels.csv gives it, else by ``split_patients``."""
    if table["split"].isin(SPLITS).all():
        return table.copy()
    return table.assign(split=split_patients(table, split_seed))


def read_table(path: StoragePath) -> pd.DataFrame:
    """A table as ``write_table`` wrote it. ValueError names the file, and the columns that are missing."""
    try:
        table = read_csv(path, dtype=str, keep_default_na=False, index_col=False)
        missing = [name for name in COLUMNS if name not in table]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        for name in table.columns.difference(TEXTS, sort=False):
            table[name] = pd.to_numeric(table[name])
        if not np.array_equal(table["row"], np.arange(len(table))):
            raise ValueError("its rows are not numbered 0, 1, 2 ...")
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise ValueError(damaged(path, f"not a cohort table ({error})")) from error
    return table


def write_table(path: StoragePath, table: pd.DataFrame) -> None:
    """Write a cohort's table as CSV, whole or not at all."""
    write_csv(path, table)
