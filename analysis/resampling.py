"""Every trial's AUC on the same resampled patients: one matrix a (split, vendor), so that differences are paired."""

import numpy as np

from analysis.bootstrap import DRAWS, Resampled, average, patient_weights, resampled_auc, win_matrix
from analysis.images import image_scores
from analysis.load import Run

TrialDraws = dict[tuple[str, str], Resampled]  # (split, vendor) -> AUC


def trial_draws(run: Run, draws: int = DRAWS) -> dict[str, TrialDraws]:
    """key -> (split, vendor) -> resampled AUC; a trial without usable scores has no entry.

    All trials of one source vendor see the same patients in the same draw. Another vendor's validation patients are
    all that are not test patients, so a draw of them differs from one of the source vendor's own.
    """
    weights: dict[tuple, tuple[np.ndarray, np.ndarray]] = {}
    found: dict[str, TrialDraws] = {}
    for key, record in run.records.items():
        scores = image_scores(run.root, key, run.cohort)
        if scores is None:
            continue
        scores = scores[scores["label"].isin([0, 1]) & scores["score"].notna()]
        mine: TrialDraws = {}
        for (split, vendor), part in scores.groupby(["split", "vendor"]):
            role = (split, vendor, vendor == record.config.vendor)
            here = np.unique(part["patient_id"])
            if role not in weights:
                purpose = (vendor,) if split == "test" else (split, vendor, role[2])
                weights[role] = (here, patient_weights(len(here), draws, *map(str, purpose)))
            patients, weight = weights[role]
            if np.array_equal(here, patients):
                columns = (part[name].to_numpy() for name in ("label", "score", "patient_id"))
                mine[str(split), str(vendor)] = resampled_auc(win_matrix(*columns, patients), weight)
        found[key] = mine
    return found


def domain_draws(of_trial: TrialDraws, vendor: str, split: str, domain: str) -> Resampled | None:
    """AUC in-domain, or the mean over the other vendors; None where nothing was scored."""
    inside = domain == "in_domain"
    members = [value for (s, v), value in of_trial.items() if s == split and (v == vendor) == inside]
    return average(members) if members else None
