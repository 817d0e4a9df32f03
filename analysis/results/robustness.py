"""AUC against the severity of a corruption, for the chosen rate beside full sampling: is a low rate more robust?"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.trial_arrays import arrays
from analysis.statistics.bootstrap import (
    DRAWS,
    Resampled,
    average,
    interval,
    patient_weights,
    resampled_auc,
    win_matrix,
)
from tune_ks.core.storage import StoragePath

NAMES = ("keys", "corruptions", "score", "label", "patient", "vendor")


class Worse(NamedTuple):
    """What RUN/corruptions/NAME.npz holds; n images, K models, C corruptions."""

    name: str
    keys: list[str]
    corruptions: list[str]
    score: np.ndarray  # (K, C, 6, n) logits; severity 0 is the image itself
    label: np.ndarray  # (n,)
    patient: np.ndarray  # (n,) int
    vendor: np.ndarray  # (n,) str


class Robust(NamedTuple):
    """One source vendor's chosen rate and full sampling on one set of corrupted images."""

    name: str  # of the images
    rate: float  # the chosen one, realised
    curves: pd.DataFrame  # sampling, domain, corruption, severity, auc, low, high
    table: pd.DataFrame  # corruption, domain, both AUCs clean and corrupted, what the chosen rate keeps more


def load_corruptions(root: StoragePath) -> tuple[list[Worse], list[str]]:
    """Every whole file of RUN/corruptions, and a warning for each that is not."""
    found, warnings = [], []
    for path in sorted((root / "corruptions").glob("*.npz")):
        values = arrays(path, NAMES)
        shape = None if values is None else values["score"].shape
        if shape is None or len(shape) != 4 or shape[:2] != (len(values["keys"]), len(values["corruptions"])):
            warnings.append(f"corruptions/{path.name} is torn or not what the evaluation writes: left out.")
            continue
        keys, corruptions = ([str(name) for name in values.pop(which)] for which in ("keys", "corruptions"))
        found.append(Worse(path.stem, keys, corruptions, **values))
    return found, warnings


def robust(worse: Worse, vendor: str, chosen: list[str], full: list[str], rate: float) -> Robust | None:
    """The models ``chosen`` and ``full`` (keys of seeds) trained on ``vendor``; None where either was not scored.

    Seeds are averaged inside each draw of patients, so every difference is paired. Cross-domain is the mean over the
    other vendors.
    """
    groups = {"chosen": chosen, "full sampling": full}
    if not all(set(keys) <= set(worse.keys) and keys for keys in groups.values()) or set(chosen) == set(full):
        return None
    lines, rows = [], []
    for domain, vendors in _domains(worse, vendor).items():
        matrices = {name: _draws(worse, keys, vendors) for name, keys in groups.items()}  # (corruption, severity) each
        for c, corruption in enumerate(worse.corruptions):
            for name, draws in matrices.items():
                for severity, value in enumerate(draws[c]):
                    lines.append((name, domain, corruption, severity, value.point, *interval(value)))
            low, all_of_it = (draws[c] for draws in matrices.values())
            more = _loss(all_of_it) - _loss(low)
            ends = interval(more)
            rows.append(
                {
                    "corruption": corruption,
                    "domain": domain,
                    "chosen, clean": low[0].point,
                    "chosen, corrupted": average(low[1:]).point,
                    "full, clean": all_of_it[0].point,
                    "full, corrupted": average(all_of_it[1:]).point,
                    "loses less by": more.point,
                    "low": ends.low,
                    "high": ends.high,
                }
            )
    columns = ["sampling", "domain", "corruption", "severity", "auc", "low", "high"]
    return Robust(worse.name, rate, pd.DataFrame(lines, columns=columns), pd.DataFrame(rows))


def verdict(found: Robust) -> str:
    """One sentence: in how many of the comparisons the chosen rate keeps more, and in how many less."""
    better, less = int((found.table["low"] > 0).sum()), int((found.table["high"] < 0).sum())
    total = len(found.table)
    chance = f"by chance alone about {0.05 * total:.1f} of {total} would be on either side"
    return (
        f"Of {total} comparisons (corruption and domain), rate {found.rate:.3g} loses less AUC than full sampling in "
        f"{better} and more in {less}, by a 90 % interval that leaves out 0; {chance}."
    )


def _domains(worse: Worse, vendor: str) -> dict[str, list[str]]:
    here = sorted(set(worse.vendor))
    both = {"in_domain": [v for v in here if v == vendor], "cross_domain": [v for v in here if v != vendor]}
    return {domain: vendors for domain, vendors in both.items() if vendors}


def _draws(worse: Worse, keys: list[str], vendors: list[str]) -> list[list[Resampled]]:
    """[corruption][severity], the mean over seeds and vendors."""
    return [
        [average([_one(worse, key, c, s, v) for key in keys for v in vendors]) for s in range(worse.score.shape[2])]
        for c in range(len(worse.corruptions))
    ]


def _one(worse: Worse, key: str, corruption: int, severity: int, vendor: str) -> Resampled:
    own = worse.vendor == vendor
    patients = np.unique(worse.patient[own])
    score = worse.score[worse.keys.index(key), corruption, severity, own]
    weights = patient_weights(len(patients), DRAWS, vendor)  # the same draws for all: differences are paired
    return resampled_auc(win_matrix(worse.label[own], score, worse.patient[own], patients), weights)


def _loss(severities: list[Resampled]) -> Resampled:
    """AUC of the clean image minus the mean over the severities."""
    return severities[0] - average(severities[1:])
