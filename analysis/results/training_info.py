"""What the learning curves of one source vendor show: the numbers that records hold for each epoch."""

from typing import NamedTuple

import pandas as pd

from analysis.read.configurations import FULL
from analysis.results.compute import Analysis
from analysis.results.json_values import is_number
from tune_ks.core.record import TrialRecord


class HistoryEntry(NamedTuple):
    """One number that a history holds for each epoch."""

    words: str  # "metric" in them is replaced by the name of the run's metric
    cross_domain: bool = False  # whether it was measured on other vendors


ENTRIES = {
    "val_in_domain": HistoryEntry("in-domain validation metric"),
    "val_cross_domain": HistoryEntry("cross-domain validation metric", cross_domain=True),
    "loss": HistoryEntry("loss"),
}


class LearningCurve(NamedTuple):
    """One entry of one trial's history, where it is a finite number."""

    key: str
    family: str  # of masks; FULL of full sampling
    seed: int
    rate: float  # realised
    epochs: list[float]
    values: list[float]


class TrainingInfo(NamedTuple):
    """One entry of the histories of all trials of a vendor."""

    words: str  # what the values are
    curves: list[LearningCurve]  # by realised rate; never empty
    rates: pd.Series  # realised rates of all vendors, so that a colour means the same rate in every figure


def training_info(analysis: Analysis, vendor: str, entry: str = "val_in_domain") -> TrainingInfo | None:
    """One entry of the histories, a name in ENTRIES; None where no record of the vendor has it."""
    trials = analysis.run.trials[analysis.run.trials["vendor"] == vendor].sort_values("realised_rate")
    curves = [_curve(analysis.run.records[key], key, entry) for key in trials["key"]]
    measured = [curve for curve in curves if curve.epochs]
    if not measured:
        return None
    words = analysis.measure.words(ENTRIES[entry].words)
    return TrainingInfo(words, measured, analysis.configurations["realised_rate"])


def _curve(record: TrialRecord, key: str, entry: str) -> LearningCurve:
    """Epochs without a number are left out; one without its number ``epoch`` is counted among those that are left."""
    family = FULL if record.config.is_full else record.config.mask
    curve = LearningCurve(key, family, record.config.seed, record.realised_rate, [], [])
    for epoch in record.history:
        if is_number(epoch.get(entry)):
            curve.epochs.append(epoch.get("epoch", len(curve.epochs) + 1))
            curve.values.append(float(epoch[entry]))
    return curve
