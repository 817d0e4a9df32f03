"""Patient-clustered intervals of every configuration's test AUC, and of its distance to the best baseline."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.baselines import baseline_draws, best, held_out_images
from analysis.bootstrap import DRAWS, NOWHERE, Resampled, average, interval, patient_weights, resampled_auc, win_matrix
from analysis.images import image_scores

DOMAINS = ("in_domain", "cross_domain")


def auc_intervals(
    root: Path, cohort: pd.DataFrame, configurations: pd.DataFrame, base: pd.DataFrame, draws: int = DRAWS
) -> pd.DataFrame:
    """One row a configuration: ``test_DOMAIN_low/_high``, and ``above_baseline_DOMAIN_low/_high`` (a difference).

    The AUCs of a configuration's seeds are averaged inside each draw, so the interval is over patients only: how far
    seeds differ is ``test_DOMAIN_sd``. A draw takes the same patients for every trial and baseline of a vendor, so
    the differences are paired. NaN where scores.npz or the vendor's test patients are missing.
    """
    images = dict(held_out_images(cohort))
    patients = {vendor: np.unique(table["patient_id"]) for vendor, table in images.items()}
    weights = {vendor: patient_weights(len(found), draws, vendor) for vendor, found in patients.items()}
    reference = _best_baseline_draws(images, patients, base, draws)

    @cache
    def trial_draws(key: str) -> dict[str, Resampled]:
        scores = image_scores(root, key, cohort)
        if scores is None:
            return {}
        found = {}
        for vendor, part in scores[scores["split"] == "test"].groupby("vendor"):
            if vendor in patients and part["patient_id"].isin(patients[vendor]).all() and part["score"].notna().all():
                columns = (part[name].to_numpy() for name in ("label", "score", "patient_id"))
                found[vendor] = resampled_auc(win_matrix(*columns, patients[vendor]), weights[vendor])
        return found

    rows = []
    for row in configurations.itertuples():
        each = [trial_draws(key) for key in row.keys]
        vendors = sorted(set.intersection(*map(set, each))) if each else []
        mean = {vendor: average([found[vendor] for found in each]) for vendor in vendors}
        others = [vendor for vendor in vendors if vendor != row.vendor]
        values = {"configuration": row.configuration}
        for domain, members in zip(DOMAINS, ([row.vendor] if row.vendor in mean else [], others)):
            found = interval(average([mean[v] for v in members])) if members else NOWHERE
            above = NOWHERE
            if members and all(v in reference for v in members):
                above = interval(average([mean[v] - reference[v] for v in members]))
            values |= {f"test_{domain}_low": found.low, f"test_{domain}_high": found.high}
            values |= {f"above_baseline_{domain}_low": above.low, f"above_baseline_{domain}_high": above.high}
        rows.append(values)
    ends = [f"{what}_{d}_{end}" for what in ("test", "above_baseline") for d in DOMAINS for end in ("low", "high")]
    return pd.DataFrame(rows, columns=["configuration", *ends])


def _best_baseline_draws(images: dict, patients: dict, base: pd.DataFrame, draws: int) -> dict[str, Resampled]:
    """vendor -> draws of its best baseline, over the same patients in the same order as the trials' draws."""
    found = {}
    for vendor, table in images.items():
        row = best(base, vendor)
        if row is None:
            continue
        known = table[table[row["baseline"]].notna()]
        if np.array_equal(np.unique(known["patient_id"]), patients[vendor]):
            found[vendor] = baseline_draws(known, vendor, row["baseline"], draws)
    return found
