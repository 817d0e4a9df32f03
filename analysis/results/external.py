"""The models on another cohort: per vendor trained on, mask and rate the metric, and what it is above or below.

Intervals are over patients and trainings; full sampling and the low-pass at the same rate are compared on the same
patients, where they were scored there too.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.read.configurations import full_sampling_of, low_pass_of, varied_fields
from analysis.read.external_scores import external_scores
from analysis.read.load import Run
from analysis.results.ensembles import mean_scores
from analysis.statistics.bootstrap import DRAWS, Resampled, TrialDraws, interval, patient_weights
from analysis.statistics.estimate import Noise, estimate
from analysis.statistics.measures import measure_of
from analysis.statistics.training_noise import seeds_of, training_noise
from tune_ks.core.ensemble import FEWEST_TOGETHER

REFERENCES = ("full_sampling", "low_pass")
ITSELF = "chosen"
TOGETHER = ("together", "together_low", "together_high")  # the metric of the trainings' mean score
MEASURED = (
    "value",
    "low",
    "high",
    *TOGETHER,
    *(f"{name}{end}" for name in REFERENCES for end in ("", "_low", "_high")),
)


def external_table(run: Run, configurations: pd.DataFrame) -> pd.DataFrame:
    """One row a cohort, configuration and vendor scored on, by vendor trained on and rate.

    ``value`` is the metric with its interval; ``full_sampling`` and ``low_pass`` are the differences to these, NaN
    where they were not scored on the cohort. ``together`` is the metric of the mean score of several trainings, with an
    interval over patients alone (``analysis/results/ensembles.py``). Without per-image scores there are no intervals,
    and nothing is known of trainings together. Scores of trials that the run does not hold are left out.
    """
    rows = []
    if len(configurations):
        for cohort, scored in run.external.groupby("cohort"):
            rows += _of_cohort(run, configurations, str(cohort), scored)
    if not rows:
        return pd.DataFrame(columns=["cohort", *configurations.columns, "scored_on", "images", "patients", *MEASURED])
    about = configurations.drop(columns=["keys", "seeds"])
    table = pd.DataFrame(rows).merge(about, on="configuration", how="left")
    order = ["cohort", "vendor", "scored_on", "realised_rate", "family"]
    return table.sort_values(order, kind="stable", ignore_index=True)


def _of_cohort(run: Run, configurations: pd.DataFrame, cohort: str, scored: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of one cohort; ``scored``: its rows of Run.external."""
    keys_scored = set(scored["key"])
    keys_of: dict[str, list[str]] = {}  # configuration -> its trials that were scored here
    for row in configurations.itertuples():
        keys_of[row.configuration] = [key for key in row.keys if key in keys_scored]
    draws = _draws(run, cohort, keys_of)
    noise: dict[tuple[str, str], Noise | None] = {}  # (vendor trained on, vendor scored on) -> error of one training
    for source, rows_of in configurations.groupby("vendor"):
        for vendor in scored["vendor"].unique():
            noise[str(source), vendor] = training_noise(rows_of, draws, vendor, "test", "in_domain")
    full = full_sampling_of(configurations)
    low_pass = low_pass_of(configurations)
    rows = []
    for row, *others in zip(configurations.itertuples(), full, low_pass, strict=True):
        keys = keys_of[row.configuration]
        for vendor, of_vendor in scored[scored["key"].isin(keys)].groupby("vendor"):
            about = {
                "cohort": cohort,
                "configuration": row.configuration,
                "keys": keys,
                "seeds": len(keys),
                "scored_on": vendor,
                "images": int(of_vendor["images"].max()),
                "patients": int(of_vendor["patients"].max()),
                "value": float(of_vendor[run.metric].mean()),
            }
            seeds = _seeds(keys, draws, str(vendor))
            compared: dict[str, list[Resampled]] = {}
            for name, other in zip(REFERENCES, others, strict=True):
                compared[name] = []
                if other is not None and other != row.configuration:
                    compared[name] = _seeds(keys_of[other], draws, str(vendor))
            together = draws.get(_ensemble(row.configuration), {}).get(("test", str(vendor)))
            rows.append(about | _compared(seeds, compared, noise[row.vendor, str(vendor)]) | _together(together))
    return rows


def beside_chosen(external: pd.DataFrame, configurations: pd.DataFrame, keys: Collection[str]) -> pd.DataFrame:
    """The rows of the configuration that has the trials ``keys``, of the low-pass at its rate and of full sampling.

    ``reference``: ITSELF of the chosen one, otherwise a name in REFERENCES.
    """
    is_chosen = [not set(keys).isdisjoint(of_row) for of_row in configurations["keys"]]
    beside = {
        "full_sampling": full_sampling_of(configurations),
        "low_pass": low_pass_of(configurations),
        ITSELF: configurations["configuration"],  # last: one that is its own low-pass is the chosen one
    }
    reference: dict[str, str] = {}
    for word, names in beside.items():
        reference |= {name: word for name, chosen in zip(names, is_chosen) if chosen and name is not None}
    rows = external[external["configuration"].isin(list(reference))]
    return rows.assign(reference=[reference[name] for name in rows["configuration"]])


def settings_shown(table: pd.DataFrame, configurations: pd.DataFrame) -> list[str]:
    """The settings beside vendor, mask and rate in which the rows of an external table differ."""
    names = [name for name in varied_fields(configurations) if name != "mask"]
    return [name for name in names if name in table and table[name].nunique(dropna=False) > 1]


def _seeds(keys: list[str], draws: dict[str, TrialDraws], vendor: str) -> list[Resampled]:
    """The metric of each training on one vendor of the other cohort, whatever vendor it was trained on."""
    return seeds_of(keys, draws, vendor, "test", "in_domain")


def _compared(seeds: list[Resampled], references: dict[str, list[Resampled]], noise: Noise | None) -> dict[str, float]:
    """The interval of a configuration on one vendor, and its differences to the references."""
    ends = estimate(seeds, noise=noise).interval()
    columns = {"low": ends.low, "high": ends.high}
    for name, other in references.items():
        difference = estimate(seeds, other, noise)
        ends = difference.interval()
        columns[name] = difference.point
        columns[f"{name}_low"] = ends.low
        columns[f"{name}_high"] = ends.high
    return columns


def _ensemble(configuration: str) -> str:
    """Its trainings together, among the keys of trials; a configuration's own name can be that of its first seed."""
    return f"together {configuration}"


def _together(value: Resampled | None) -> dict[str, float]:
    """The columns of TOGETHER; ``value``: the metric of the trainings' mean score, on resampled patients."""
    if value is None:
        return dict.fromkeys(TOGETHER, math.nan)
    return dict(zip(TOGETHER, (value.point, *interval(value)), strict=True))


def _draws(run: Run, cohort: str, keys_of: Mapping[str, list[str]]) -> dict[str, TrialDraws]:
    """key -> ("test", vendor) -> the metric on resampled patients of another cohort; {} without per-image scores.

    ``keys_of``: configuration -> the keys of its trainings. Several that separate classes have their mean score too.
    """
    scores = external_scores(run.root, cohort)
    if scores is None:
        return {}
    measure = measure_of(run)
    if measure.of_classes:
        scores = _with_mean_scores(scores, keys_of)
    scores = measure.of_counted(scores)
    draws: dict[str, TrialDraws] = {}
    for vendor, of_vendor in scores.groupby("vendor"):
        patients = np.unique(of_vendor["patient_id"])
        weights = patient_weights(len(patients), DRAWS, "external", cohort, str(vendor))
        for key, images in of_vendor.groupby("key"):
            if np.array_equal(np.unique(images["patient_id"]), patients):
                of_trial = draws.setdefault(str(key), {})
                of_trial["test", str(vendor)] = measure.of_images(images, patients, weights)
    return draws


def _with_mean_scores(scores: pd.DataFrame, keys_of: Mapping[str, list[str]]) -> pd.DataFrame:
    """The scored images, and behind them the mean score of the several trainings of each configuration."""
    by_key = {str(key): images for key, images in scores.groupby("key")}
    tables = [scores]
    for configuration, keys in keys_of.items():
        mean = mean_scores([by_key.get(key) for key in keys]) if len(keys) >= FEWEST_TOGETHER else None
        if mean is not None:
            tables.append(mean.assign(key=_ensemble(configuration)))
    return pd.concat(tables, ignore_index=True)
