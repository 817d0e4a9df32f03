"""Groups of images that a clinician asks about: field strength, matrix, cohort of origin, where they are recorded."""

import pandas as pd

ORIGIN = ("origin", "collection")  # columns of cohort.csv that name it
PATIENTS = 8  # of each class; the fewest for which the intervals are shown to hold
SMALL_COLLECTION = 5  # patients; a leading text that fewer share could be a name, and is not shown


def subgroups(cohort: pd.DataFrame) -> tuple[dict[str, pd.Series], list[str]]:
    """What is asked -> the group of each image, as text (missing stays missing); and what can't be asked, and why."""
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
    """What stands before the number in patient_id (ISPY1_1001, Breast_MRI_023); None where it could be a name."""
    if cohort.empty:
        return None
    leading = cohort["patient_id"].astype(str).str.replace(r"[-_ ]*\d+$", "", regex=True)
    patients = cohort["patient_id"].groupby(leading).nunique()
    return leading if patients.min() >= SMALL_COLLECTION and "" not in patients else None
