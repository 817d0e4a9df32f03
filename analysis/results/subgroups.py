"""Subgroups of images: field strength, matrix and cohort of origin, where the cohort records them."""

import pandas as pd

ORIGIN = ("origin", "collection")  # columns of cohort.csv that name the cohort of origin
PATIENTS = 8  # of each class; with fewer, nothing shows that the intervals cover
SMALL_COLLECTION = 5  # patients; a text that fewer share could be a person's name, and is not shown


def subgroups(cohort: pd.DataFrame) -> tuple[dict[str, pd.Series], list[str]]:
    """Question -> the group of each image as text (missing stays missing); and why other questions can't be asked."""
    size = "acquired_width" if _known(cohort, "acquired_width") else "width"
    origin = next((name for name in ORIGIN if _known(cohort, name)), None)
    columns = {
        "field strength": _text(cohort, "field_t", "{:.2g} T"),
        "acquired matrix" if size == "acquired_width" else "stored matrix": _text(cohort, size, "{:g} wide"),
        "cohort of origin": _text(cohort, origin, "{}") if origin else _collections(cohort),
    }
    known, absent = {}, []
    for question, groups in columns.items():
        names = [] if groups is None else groups.dropna().unique()
        if len(names) > 1:
            known[question] = groups
        else:
            why = f"{names[0]} for every image" if len(names) else "not recorded"
            absent.append(f"No subgroups by {question}: {why}.")
    return known, absent


def _known(cohort: pd.DataFrame, name: str) -> bool:
    return name in cohort and cohort[name].notna().any()


def _text(cohort: pd.DataFrame, name: str, form: str) -> pd.Series | None:
    return cohort[name].map(form.format, na_action="ignore") if _known(cohort, name) else None


def _collections(cohort: pd.DataFrame) -> pd.Series | None:
    """The text before the number in patient_id (ISPY1_1001, Breast_MRI_023); None where it could be a name."""
    if cohort.empty:
        return None
    leading = cohort["patient_id"].astype(str).str.replace(r"[-_ ]*\d+$", "", regex=True)
    patients = cohort["patient_id"].groupby(leading).nunique()
    return leading if patients.min() >= SMALL_COLLECTION and "" not in patients else None
