"""The trainings of a rate used together: the AUC of their mean score beside the mean of their AUCs.

This is a deep ensemble (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017) of trainings that exist anyway: those of
one configuration, which differ in their seed. There is one such ensemble, so its interval is over patients alone. It
says what these models do when they are used together, as ``predict`` uses them, and nothing about the rate: rates are
chosen and compared by single trainings.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.choice.selection import Selection
from analysis.read.configurations import keys_of_full
from analysis.read.load import Run
from analysis.read.trial_arrays import image_scores
from analysis.results.yardsticks import Reached, WithoutNetwork
from analysis.statistics.bootstrap import DRAWS, Resampled, TrialDraws, interval, patient_weights
from analysis.statistics.measures import Measure, measure_of
from analysis.statistics.resampling import configuration_draws
from tune_ks.core.ensemble import FEWEST_TOGETHER
from tune_ks.core.rate_words import rate_words

COLUMNS = (
    *("trained on", "tested on", "rate", "trainings", "AUC of one", "AUC together", "low", "high"),
    *("gain", "gain low", "gain high", "best without a network", "above it", "above low", "above high"),
)


def ensemble_table(
    run: Run,
    table: pd.DataFrame,
    selections: Mapping[str, Selection],
    draws: Mapping[str, TrialDraws],
    without_network: WithoutNetwork,
) -> pd.DataFrame:
    """COLUMNS, a row a test vendor, for each chosen rate and its full sampling with at least FEWEST_TOGETHER trainings.

    "gain" is to the mean of the single AUCs, "above it" to the best that is reached ``without_network`` on that vendor,
    by configuration; both with 90 % intervals over patients, paired. Empty where scores separate no classes.
    """
    measure = measure_of(run)
    if not measure.of_classes:
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    for source, selection in selections.items():
        for keys in _chosen_and_full(table, selection):
            together = _of_mean_score(run, keys, measure)
            single = configuration_draws(keys, draws)
            row = table[[keys[0] in of_row for of_row in table["keys"]]].iloc[0]
            for role, value in together.items():
                if role in single:
                    about = {"trained on": source, "tested on": role[1], "rate": rate_words(row["realised_rate"])}
                    best = without_network.get(row["configuration"], {}).get(role)
                    rows.append(about | {"trainings": len(keys)} | _compared(value, single[role], best))
    return pd.DataFrame(rows, columns=COLUMNS)


def _chosen_and_full(table: pd.DataFrame, selection: Selection) -> list[list[str]]:
    """The trainings of the choice and those of its full sampling, where there are several."""
    chosen = list(selection.keys)
    groups = [chosen, keys_of_full(table, chosen)] if chosen else []
    return [keys for keys in groups if len(keys) >= FEWEST_TOGETHER]


def _of_mean_score(run: Run, keys: list[str], measure: Measure) -> TrialDraws:
    """("test", vendor) -> the metric of the trainings' mean logit on resampled test patients.

    The draws of patients are those of the single trainings. {} where the scores of one training are absent, or are
    those of other images.
    """
    scores = mean_scores([image_scores(run.root, key, run.cohort) for key in keys])
    if scores is None:
        return {}
    resampled: dict[tuple[str, str], Resampled] = {}
    for vendor, images in measure.of_counted(scores[scores["split"] == "test"]).groupby("vendor"):
        patients = np.unique(images["patient_id"])
        weights = patient_weights(len(patients), DRAWS, str(vendor))
        resampled["test", str(vendor)] = measure.of_images(images, patients, weights)
    return resampled


def mean_scores(trainings: list[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Scored images of several trainings -> the same table with their mean score.

    None where a training has none, or has scores of other images.
    """
    known = [images for images in trainings if images is not None]
    rows = [images["row"].to_numpy() for images in known]
    if len(known) < len(trainings) or any(not np.array_equal(rows[0], of_training) for of_training in rows):
        return None
    return known[0].assign(score=np.mean([images["score"].to_numpy() for images in known], axis=0))


def _compared(together: Resampled, single: Resampled, best: Reached | None) -> dict[str, Any]:
    """The columns of the metric itself, and of its differences to one training and to the best without a network."""
    ends = interval(together)
    gain = together - single
    of_gain = interval(gain)
    columns: dict[str, float | str] = {
        "AUC of one": single.point,
        "AUC together": together.point,
        "low": ends.low,
        "high": ends.high,
        "gain": gain.point,
        "gain low": of_gain.low,
        "gain high": of_gain.high,
    }
    if best is not None:
        above = together - best.draws
        of_above = interval(above)
        columns |= {"best without a network": best.words, "above it": above.point}
        columns |= {"above low": of_above.low, "above high": of_above.high}
    return columns
