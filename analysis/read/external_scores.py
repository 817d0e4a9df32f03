"""Scores per image of another cohort (RUN/external/NAME_scores.csv), as ``run_search.py evaluate`` writes them."""

import pandas as pd

from tune_ks.core.storage import StoragePath
from tune_ks.core.tables import read_csv

COLUMNS = ("key", "row", "vendor", "patient_id", "label", "score")


def external_scores(root: StoragePath, cohort: str) -> pd.DataFrame | None:
    """One row an image and model, with COLUMNS and, where it is known, breast.

    None where the file is absent, torn, or lacks a column.
    """
    path = root / "external" / f"{cohort}_scores.csv"
    try:
        table = read_csv(path, dtype={"key": str, "vendor": str, "patient_id": str})
        numbers = table[["row", "label", "score"]].apply(pd.to_numeric)
        texts = ["key", "vendor", "patient_id", *table.columns.intersection(["breast"])]
        return table[texts].join(numbers)
    except (OSError, ValueError, KeyError, TypeError):  # pandas' parser errors are ValueErrors
        return None
