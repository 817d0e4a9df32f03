"""Which comparator undoes which switch? The statistics of the same images scored with a switch off and on.

A score is replaced by its place: the share of the other images of its class whose scores, with every switch off, lie
below it (ties half). So a comparator that only makes all scores larger or smaller changes nothing, and an image whose
score keeps its rank has not moved. Of one comparator and one switch, each the mean over trainings:

    move    root mean square of (place with the switch on - place with it off): 0 where the switch is undone
    shift   size of the mean of the same: by how much the AUC of "on" against "off" by the score differs from 1/2
    lost    AUC with the switch off, minus AUC with it on

``move`` holds everything that happens to the scores, ``shift`` only what happens to all of them alike (it moves a
threshold, not the AUC), ``lost`` only what costs the answer. Errors are those of patients and of trainings
(analysis/statistics/estimate.py), on shared draws of patients.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics.bootstrap import (
    DRAWS,
    Resampled,
    patient_weights,
    resampled_auc,
    resampled_mean,
    win_matrix,
)
from analysis.statistics.estimate import Estimate, estimate
from analysis.statistics.multiple import holm

PLAIN = "plain"
OFF = "all off"  # the variant of the images that all others are compared with
CHANCE = 0.05
TESTED = ("move", "lost")  # the measures that are compared with plain, each with Holm over all its pairs
MEASURES = ("move", "shift", "lost")


class Scored(NamedTuple):
    """The same n images as every variant of the phantom, scored by every training."""

    label: np.ndarray  # (n,) of 0 and 1
    patient: np.ndarray  # (n,) from 0
    scores: dict[str, dict[str, np.ndarray]]  # comparator -> variant -> (trainings, n)


def places(scores: np.ndarray, off: np.ndarray) -> np.ndarray:
    """(n,) the share of the other images' scores ``off`` that lie below each of ``scores`` (n,); ties count half.

    An image is not compared with itself, so that the last bits of a float make no difference.
    """
    ordered = np.sort(off)
    below = np.searchsorted(ordered, scores, "left") - (off < scores)
    not_above = np.searchsorted(ordered, scores, "right") - (off <= scores)
    return (below + not_above) / (2 * (len(off) - 1))


def place_changes(off: np.ndarray, on: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(n,) place of each image with the switch on, minus its place with it off, within the images of its label."""
    changes = np.zeros(len(label))
    for value in np.unique(label):
        of_class = label == value
        reference = off[of_class]
        changes[of_class] = places(on[of_class], reference) - places(reference, reference)
    return changes


def effects(off: np.ndarray, on: np.ndarray, label: np.ndarray, patient: np.ndarray) -> dict[str, Resampled]:
    """The MEASURES of one training; ``off`` and ``on`` (n,) are its scores of the same images."""
    patients = np.arange(patient.max() + 1)
    weights = patient_weights(len(patients), DRAWS, "switches")
    every = np.ones(len(label), bool)
    changes = place_changes(off, on, label)
    auc_off = resampled_auc(win_matrix(label, off, patient, patients), weights)
    auc_on = resampled_auc(win_matrix(label, on, patient, patients), weights)
    return {
        "move": _mapped(resampled_mean(changes**2, every, patient, weights), np.sqrt),
        "shift": _mapped(resampled_mean(changes, every, patient, weights), np.abs),
        "lost": auc_off - auc_on,
    }


def _mapped(value: Resampled, function: Callable[[np.ndarray], np.ndarray]) -> Resampled:
    return dataclasses.replace(value, point=float(function(np.array(value.point))), draws=function(value.draws))


def all_effects(scored: Scored) -> dict[tuple[str, str], list[dict[str, Resampled]]]:
    """(comparator, switch) -> the effects of each training."""
    by_pair = {}
    for comparator, variants in scored.scores.items():
        for switch, on in variants.items():
            if switch != OFF:
                trainings = zip(variants[OFF], on, strict=True)
                by_pair[comparator, switch] = [effects(*scores, scored.label, scored.patient) for scores in trainings]
    return by_pair


def auc_of(scored: Scored, comparator: str, variant: str) -> Estimate:
    """The AUC on the images of one variant, with its errors."""
    patients = np.arange(scored.patient.max() + 1)
    weights = patient_weights(len(patients), DRAWS, "switches")
    scores = scored.scores[comparator][variant]
    matrices = [win_matrix(scored.label, score, scored.patient, patients) for score in scores]
    return estimate([resampled_auc(matrix, weights) for matrix in matrices])


def compare(scored: Scored, untouched: Sequence[str] = ()) -> pd.DataFrame:
    """One row for each comparator, switch and measure.

    Columns: value, low, high (90 %); and against plain, for the measures TESTED: less (by how much the size of the
    effect is smaller than at plain, below 0 where it is larger), less_low, less_high, p_value and holm. The switches in
    ``untouched`` change no image that a network is given; nothing is to be undone there, and no test is made.
    """
    by_pair = all_effects(scored)
    rows = []
    for (comparator, switch), trainings in by_pair.items():
        for measure in MEASURES:
            seeds = [training[measure] for training in trainings]
            row = {"comparator": comparator, "switch": switch, "measure": measure, **_with_ends("", estimate(seeds))}
            if comparator != PLAIN and measure in TESTED and switch not in untouched:
                plain = [training[measure] for training in by_pair[PLAIN, switch]]
                less = estimate(plain, seeds)
                row |= {**_with_ends("less_", less), "p_value": _p_value(less)}
            rows.append(row)
    table = pd.DataFrame(rows)
    for name in ("less_value", "less_low", "less_high", "p_value"):
        table[name] = table[name].astype(float) if name in table else np.nan
    table["holm"] = np.nan
    for measure in TESTED:
        of_measure = table["measure"] == measure
        table.loc[of_measure, "holm"] = holm(table.loc[of_measure, "p_value"].to_numpy(float))
    return table


def _with_ends(prefix: str, known: Estimate) -> dict[str, float]:
    low, high = known.interval()
    if known.error == 0:  # the same in every draw and every training
        low = high = known.point
    return {f"{prefix}value": known.point, f"{prefix}low": low, f"{prefix}high": high}


def _p_value(less: Estimate) -> float:
    """Two-sided p value of no difference to plain."""
    if less.error == 0:
        return 1.0 if less.point == 0 else 0.0
    return less.p_value()


def shown(table: pd.DataFrame, measure: str, sign: int) -> pd.DataFrame:
    """The pairs whose effect is shown to be smaller (``sign`` 1) or larger (-1) than at plain, after Holm."""
    of_measure = table[(table["measure"] == measure) & (table["holm"] < CHANCE)]
    return of_measure[sign * of_measure["less_value"] > 0]
