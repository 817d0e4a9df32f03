"""The metric against the number of training patients, where a run was trained on several shares of them."""

import math
from typing import NamedTuple

import pandas as pd

from analysis.read.configurations import of_most_patients, plain_name, varied_fields
from analysis.read.load import Run
from analysis.read.trial_rows import SCORES
from analysis.results.compute import Analysis
from analysis.results.yardsticks import shown, shown_name
from analysis.statistics.measures import Measure
from tune_ks.core.rate_words import rate_tick
from tune_ks.core.record import TrialRecord, mean_of_defined


class PatientsCurve(NamedTuple):
    """One mask and rate, trained on several shares of the patients."""

    name: str
    configurations: pd.DataFrame  # by train_share, with the column patients
    yardsticks: dict[str, pd.DataFrame]  # of the best one: its name -> SCORES, one row a row of ``configurations``


class PatientsInfo(NamedTuple):
    """The metric of one source vendor against the number of its training patients."""

    measure: Measure
    curves: list[PatientsCurve]


def patients_info(analysis: Analysis, vendor: str) -> PatientsInfo | None:
    """None where all trials of the vendor were trained on the same share."""
    curves = []
    beside = shown(analysis.yardsticks)
    scores = beside.set_index("configuration")[list(SCORES)]
    for name, rows in learning_curves(analysis.run, analysis.vendors[vendor].configurations).items():
        best = {} if beside.empty else {shown_name(beside): scores.reindex(rows["configuration"])}
        curves.append(PatientsCurve(name, rows, best))
    return PatientsInfo(analysis.measure, curves) if curves else None


def learning_curves(run: Run, configurations: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Name of a curve -> its configurations by number of training patients, with the column ``patients``.

    ``configurations``: those of one source vendor. A curve has one mask and rate, and equal values of all settings that
    differ within one share; the number of epochs may go along with the share. {} unless there are several shares.
    """
    if configurations["train_share"].nunique() < 2:
        return {}
    table = configurations.assign(patients=[_patients(run, keys) for keys in configurations["keys"]])
    within = ["train_share", "family", "sampling_rate"]
    others = [name for name in varied_fields(table) if name not in ("mask", "train_share")]
    apart = [name for name in others if table.groupby(within)[name].nunique().max() > 1]
    curves = {}
    for values, rows in table.groupby([*within[1:], *apart], dropna=False, sort=True):
        settings = dict(zip([*within[1:], *apart], values))
        family = settings.pop("family")
        rate = settings.pop("sampling_rate")
        words = [str(family) if rate == 1 else f"{family} {rate_tick(rate)}"]
        words += [f"{plain_name(name)} {value}" for name, value in settings.items() if not pd.isna(value)]
        curves[", ".join(words)] = rows.sort_values("train_share", kind="stable")
    return curves


def _patients(run: Run, keys: list[str]) -> float:
    """The training patients of these trials; of older records as many as the cohort and the share say."""
    return mean_of_defined(_training_patients(run, run.records[key]) for key in keys)


def _training_patients(run: Run, record: TrialRecord) -> float:
    counted = record.facts.get("train_patients")
    if isinstance(counted, int):
        return float(counted)
    cohort = run.cohort
    train = cohort[(cohort["split"] == "train") & cohort["vendor"].isin(record.config.sources)]
    patients = train["patient_id"].nunique()
    return record.config.train_share * patients if patients else math.nan


def largest_share(configurations: pd.DataFrame) -> float:
    """The share of the training patients that rates are chosen at; of one source vendor."""
    return float(of_most_patients(configurations)["train_share"].iloc[0])
