"""What is reached without a network: one-number baselines of an AUC, and the trivial answer of a run of Dice.

One number of the input (mean, percentile, slice position) already separates the classes to some degree. A network that
is not better than the best of them has learned nothing from the image.
"""

import math

import numpy as np
import pandas as pd

from analysis.read.load import Run
from analysis.statistics.bootstrap import (
    DRAWS,
    Resampled,
    TrialDraws,
    interval,
    patient_weights,
    resampled_auc,
    win_matrix,
)
from tune_ks.core.metrics import auc

BASELINES = ("mean", "p75", "p90", "position")  # columns of cohort.csv, of the input after the network's scaling
COLUMNS = ["source", "vendor", "baseline", "value", "low", "high", "direction", "images", "patients"]
TRIVIAL_COLUMNS = ["source", "vendor", "baseline", "value"]


def one_number(run: Run) -> pd.DataFrame:
    """The baselines of a run's cohort; they are the same whatever was trained on."""
    return baselines(run.cohort)


def baselines(cohort: pd.DataFrame, draws: int = DRAWS) -> pd.DataFrame:
    """Each vendor's test patients -> one row a baseline: max(AUC, 1 - AUC), its interval and direction.

    The direction is chosen with the test labels: an advantage of the baseline over a trial. Columns that the cohort
    does not have, or has no numbers in, give no row.
    """
    rows = []
    for vendor, images in held_out_images(cohort):
        for name in BASELINES:
            values = images[name].astype(float) if name in images else pd.Series(dtype=float)
            known = images[values.notna()] if len(values) else images.iloc[:0]
            if known["label"].nunique() < 2:
                continue
            sign = direction(known, name)
            ends = interval(baseline_draws(known, vendor, name, draws))
            rows.append(
                {
                    "source": None,
                    "vendor": vendor,
                    "baseline": name,
                    "value": auc(known["label"].to_numpy(), sign * known[name].to_numpy(float)),
                    "low": ends.low,
                    "high": ends.high,
                    "direction": "higher is positive" if sign > 0 else "lower is positive",
                    "images": len(known),
                    "patients": known["patient_id"].nunique(),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def held_out_images(cohort: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(vendor, its labelled test images) for each vendor."""
    test = cohort[(cohort["split"] == "test") & cohort["label"].isin([0, 1])] if len(cohort) else cohort
    return [(str(vendor), images) for vendor, images in test.groupby("vendor")]


def direction(images: pd.DataFrame, name: str) -> float:
    """1 when a higher value means tumour, else -1."""
    return 1.0 if auc(images["label"].to_numpy(), images[name].to_numpy(float)) >= 0.5 else -1.0


def baseline_draws(images: pd.DataFrame, vendor: str, name: str, draws: int = DRAWS) -> Resampled:
    """The resampled AUC of one baseline on one vendor's test patients, in its better direction."""
    patients = np.unique(images["patient_id"])
    score = direction(images, name) * images[name].to_numpy(float)
    matrix = win_matrix(images["label"].to_numpy(), score, images["patient_id"].to_numpy(), patients)
    return resampled_auc(matrix, patient_weights(len(patients), draws, vendor))


def best(table: pd.DataFrame, vendor: str, source: str = "") -> pd.Series | None:
    """The best baseline on a vendor, of those that hold for a source vendor; None when there is none."""
    rows = table[(table["vendor"] == vendor) & (table["source"].isna() | (table["source"] == source))]
    return rows.loc[rows["value"].idxmax()] if len(rows) else None


def best_draws(run: Run, table: pd.DataFrame, source: str = "") -> TrialDraws:
    """Draws of each vendor's best baseline, where it is known for all patients that the trials' draws are of."""
    of_vendor = {}
    for vendor, images in held_out_images(run.cohort):
        row = best(table, vendor, source)
        if row is None:
            continue
        known = images[images[row["baseline"]].notna()]
        if np.array_equal(np.unique(known["patient_id"]), np.unique(images["patient_id"])):
            of_vendor["test", vendor] = baseline_draws(known, vendor, row["baseline"])
    return of_vendor


def trivial_table(run: Run) -> pd.DataFrame:
    """The metric of every answer that ignores the image, by source vendor and vendor tested on.

    Of the source vendor's trials the highest value counts. Empty where no record holds it.
    """
    rows = []
    for record in run.records.values():
        for name, by_vendor in record.trivial.items():
            for vendor, value in by_vendor.items():
                if not math.isnan(value):
                    rows.append({"source": record.config.vendor, "vendor": vendor, "baseline": name, "value": value})
    frame = pd.DataFrame(rows, columns=TRIVIAL_COLUMNS)
    return frame.groupby(["source", "vendor", "baseline"], as_index=False)["value"].max()


def trivial_draws(run: Run, table: pd.DataFrame, source: str) -> TrialDraws:
    """The best such answer of each vendor, the same number in every draw. ``table`` of trivial_table().

    It is taken as exact: its patients are as many as the cohort has images, so they are never the fewest of a pair.
    """
    rows = table[table["source"] == source].sort_values("value").drop_duplicates("vendor", keep="last")
    return {
        ("test", row.vendor): Resampled(row.value, np.full(DRAWS, row.value), len(run.cohort))
        for row in rows.itertuples()
    }
