"""Whether cohort.csv is whole: search.json counted its images when both were written. Half a CSV file is one too."""

from typing import Any

from tune_ks.core.run_folder import RunFolder
from tune_ks.core.tables import read_csv
from tune_ks.core.way_out import damaged


def require_whole_table(folder: RunFolder) -> None:
    """ValueError where a run folder's cohort.csv was cut short. It may be absent, as of trials that were passed on."""
    path = folder.cohort_csv
    if not path.exists():
        return
    try:
        rows = len(read_csv(path, usecols=[0]))
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise ValueError(damaged(path, f"not a cohort table ({error})")) from error
    fault = cut_short(rows, folder.read_search())
    if fault:
        raise ValueError(damaged(path, fault))


def cut_short(rows: int, search: dict[str, Any]) -> str:
    """What is wrong with a cohort.csv of so many rows beside this search.json; "" where nothing is known to be.

    More rows are no fault: earlier versions did not count the images without a label.
    """
    counted = _images(search)
    if rows >= counted:
        return ""
    return f"it has {rows} rows, and the cohort {counted} images: it is damaged or was cut short"


def _images(search: dict[str, Any]) -> int:
    """How many images search.json counted; 0 where it counted none."""
    try:
        return sum(int(group["images"]) for group in search["cohort"]["counts"])
    except (TypeError, KeyError, ValueError):  # of an older version, or no file of a search
        return 0
