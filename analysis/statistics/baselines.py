"""One-number baselines: what the mean, a percentile or the slice position of the input already tells.

A network that does not beat the best of them has learned nothing from the image.
"""

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

BASELINES = ("mean", "p75", "p90", "position")  # columns of cohort.csv, of the input after the network's own scaling
COLUMNS = ["source", "vendor", "baseline", "value", "low", "high", "direction", "images", "patients"]


def one_number(run: Run) -> pd.DataFrame:
    """The baselines of a run's cohort; they are the same whatever was trained on."""
    return baselines(run.cohort)


def baselines(cohort: pd.DataFrame, draws: int = DRAWS) -> pd.DataFrame:
    """Each vendor's test patients -> one row a baseline: max(AUC, 1 - AUC), its interval and direction.

    The direction is fixed at the point estimate, with the test labels: a baseline gets that advantage over a trial.
    Columns that the cohort does not have, or has no numbers in, give no row.
    """
    rows = []
    for vendor, images in held_out_images(cohort):
        for name in BASELINES:
            values = images[name].astype(float) if name in images else pd.Series(dtype=float)
            known = images[values.notna()] if len(values) else images.iloc[:0]
            if known["label"].nunique() < 2:
                continue
            sign = direction(known, name)
            found = interval(baseline_draws(known, vendor, name, draws))
            rows.append(
                {
                    "source": None,
                    "vendor": vendor,
                    "baseline": name,
                    "value": auc(known["label"].to_numpy(), sign * known[name].to_numpy(float)),
                    "low": found.low,
                    "high": found.high,
                    "direction": "higher is tumour" if sign > 0 else "lower is tumour",
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
    """1 when more of it means tumour, else -1."""
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
    """Draws of each vendor's best baseline, where it is known for the very patients that the trials' draws are of."""
    found = {}
    for vendor, images in held_out_images(run.cohort):
        row = best(table, vendor, source)
        if row is None:
            continue
        known = images[images[row["baseline"]].notna()]
        if np.array_equal(np.unique(known["patient_id"]), np.unique(images["patient_id"])):
            found["test", vendor] = baseline_draws(known, vendor, row["baseline"])
    return found
