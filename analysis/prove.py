"""The proof of one vendor of a run: each curve tested in sequence, and the smallest rate proven on any."""

import pandas as pd

from analysis.configurations import curves
from analysis.load import Run
from analysis.noninferior import Proof, noninferior
from analysis.resampling import TrialDraws


def prove(run: Run, table: pd.DataFrame, draws: dict[str, TrialDraws], vendor: str, margin: float) -> Proof:
    """``table``: the vendor's configurations that may be chosen. Only a space with one curve and a grid is tested.

    Several curves (temperatures ...) would be several chances to succeed, and drawn rates are no fixed sequence:
    both are refused by name rather than tested at a level that does not hold.
    """
    held_out = run.cohort[run.cohort["split"] == "test"]["patient_id"] if len(run.cohort) else pd.Series(dtype=str)
    free = run.cohort[~run.cohort["patient_id"].isin(held_out)] if len(run.cohort) else run.cohort
    inside = run.cohort[(run.cohort["split"] == "val") & (run.cohort["vendor"] == vendor)]
    patients = {
        "in_domain": inside["patient_id"].nunique(),
        "cross_domain": free[free["vendor"] != vendor]["patient_id"].nunique(),
    }
    sampler = (run.search.get("search") or {}).get("sampler", "grid")
    refused = ""
    if sampler != "grid":
        refused = f"the rates were drawn by {sampler}: there is no fixed sequence of rates to test"
    elif len(found := curves(table)) > 1:
        refused = f"{len(found)} curves ({', '.join(found)}) are {len(found)} chances to succeed: test one"
    if refused:
        return noninferior(table.iloc[:0], {}, patients, vendor, margin)._replace(refused=refused)
    lost = missing_rates(run, vendor, table)
    if not lost:
        return noninferior(table, draws, patients, vendor, margin)
    above = table[table["full"].astype(bool) | (table["sampling_rate"] > max(lost))]  # no step may be skipped
    return noninferior(above, draws, patients, vendor, margin)


def missing_rates(run: Run, vendor: str, table: pd.DataFrame) -> list[float]:
    """Nominal rates of this vendor that failed and have no finished trial among ``table``."""
    failed = run.failures[(run.failures["vendor"] == vendor) & run.failures["mask"].isin(table["mask"])]
    return sorted({float(rate) for rate in failed["sampling_rate"].dropna()} - set(table["sampling_rate"]))
