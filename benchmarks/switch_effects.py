"""Which comparator undoes which switch? The statistics of the same images scored with a switch off and on.

A score is replaced by its place: the share of the other images of its class whose scores, with every switch off, lie
below it (ties half). So a comparator that only makes all scores larger or smaller changes nothing, and an image whose
score keeps its rank has not moved. Of one comparator and one switch, each the mean over trainings:

    move    root mean square of (place with the switch on - place with it off): 0 where the switch is undone
    shift   size of the mean of the same: by how much the AUC of "on" against "off" by the score differs from 1/2
    lost    AUC with the switch off, minus AUC with it on

``move`` holds everything that happens to the scores, ``shift`` only what happens to all of them alike (it moves a
threshold, not the AUC), ``lost`` only what costs the answer.

Errors are those of patients, on shared draws, and of trainings (analysis/statistics/estimate.py). Two or three of a
comparator alone say little about how far a further one would differ. So for each switch and measure the variance
of a training is taken to be the same for all comparators, and is pooled over them.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics.bootstrap import (
    DRAWS,
    Resampled,
    average,
    patient_weights,
    resampled_auc,
    resampled_mean,
    win_matrix,
)
from analysis.statistics.estimate import Estimate, Part, scatter
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


Effects = dict[tuple[str, str], list[dict[str, Resampled]]]  # (comparator, switch) -> the MEASURES of each training


def all_effects(scored: Scored) -> Effects:
    """The effects of every comparator, switch and training."""
    by_pair: Effects = {}
    for comparator, variants in scored.scores.items():
        for switch, on in variants.items():
            if switch != OFF:
                trainings = zip(variants[OFF], on, strict=True)
                by_pair[comparator, switch] = [effects(*scores, scored.label, scored.patient) for scores in trainings]
    return by_pair


def aucs_on(scored: Scored, variant: str) -> dict[str, Estimate]:
    """Comparator -> its AUC on the images of one variant, with its errors."""
    patients = np.arange(scored.patient.max() + 1)
    weights = patient_weights(len(patients), DRAWS, "switches")
    aucs: dict[str, list[Resampled]] = {}
    for name, variants in scored.scores.items():
        matrices = [win_matrix(scored.label, score, scored.patient, patients) for score in variants[variant]]
        aucs[name] = [resampled_auc(matrix, weights) for matrix in matrices]
    noise = pooled(list(aucs.values()))
    return {name: with_errors([seeds], noise) for name, seeds in aucs.items()}


def pooled(by_comparator: Sequence[Sequence[Resampled]]) -> Part | None:
    """The variance of one training, from the trainings of every comparator; None where each has only one."""
    parts = [(scatter(seeds), len(seeds)) for seeds in by_comparator if len(seeds) > 1]
    if not parts:
        return None
    freedom = sum(part.freedom for part, _ in parts)
    total = sum(part.variance * number * part.freedom for part, number in parts)
    return Part(total / freedom, freedom)


def with_errors(sides: Sequence[Sequence[Resampled]], noise: Part | None) -> Estimate:
    """The trainings of a comparator -> their mean; of two -> the first mean minus the second, on the same patients."""
    value = average(sides[0])
    if len(sides) == 2:
        value = value - average(sides[1])
    error = math.nan
    if noise is not None:
        error = math.sqrt(noise.variance * sum(1 / len(side) for side in sides))
    return Estimate(
        point=value.point,
        of_patients=value.error,
        of_trainings=error,
        patients=value.patients,
        freedom=math.nan if noise is None else noise.freedom,
        floor=value.floor,
        ceiling=value.ceiling,
        seeds=min(len(side) for side in sides),
    )


def compare(scored: Scored, untouched: Sequence[str] = ()) -> pd.DataFrame:
    """One row for each comparator, switch and measure.

    Columns: value, low, high (90 %); and against plain, for the measures TESTED: less_value (by how much the effect is
    smaller than at plain; below 0 where it is larger), less_low, less_high, p_value and holm. The switches in
    ``untouched`` change no image that a network is given; nothing is to be undone there, and no test is made. None is
    made of one training each either: how far another one would differ is not known.
    """
    by_pair = all_effects(scored)
    rows = []
    for comparator, switch in by_pair:
        for measure in MEASURES:
            rows.append({"comparator": comparator, "switch": switch, "measure": measure})
            rows[-1] |= _measured(by_pair, comparator, switch, measure, tested=switch not in untouched)
    table = pd.DataFrame(rows)
    table["holm"] = np.nan
    for measure in TESTED:
        of_measure = table["measure"] == measure
        table.loc[of_measure, "holm"] = holm(table.loc[of_measure, "p_value"].to_numpy(float))
    return table


def _measured(by_pair: Effects, comparator: str, switch: str, measure: str, tested: bool) -> dict[str, float]:
    """The columns of one row but for the names and holm."""
    of_switch = {}
    for (name, of_name), trainings in by_pair.items():
        if of_name == switch:
            of_switch[name] = [training[measure] for training in trainings]
    noise = pooled(list(of_switch.values()))
    seeds = of_switch[comparator]
    row = _with_ends("", with_errors([seeds], noise))
    if not tested or comparator == PLAIN or measure not in TESTED or noise is None:
        return row | dict.fromkeys(("less_value", "less_low", "less_high", "p_value"), math.nan)
    less = with_errors([of_switch[PLAIN], seeds], noise)
    return row | _with_ends("less_", less) | {"p_value": _p_value(less)}


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
