"""The models on another cohort: per vendor trained on, mask and rate the metric, and what it is above or below.

Seeds are averaged inside each draw of patients; full sampling and the low-pass at the same rate are compared on the
same patients, where they were scored there too.
"""

import math

import numpy as np
import pandas as pd

from analysis.read.configurations import full_sampling_of, low_pass_of, varied_fields
from analysis.read.external_scores import external_scores
from analysis.read.load import Run
from analysis.statistics.bootstrap import DRAWS, NOWHERE, Resampled, TrialDraws, interval, patient_weights
from analysis.statistics.measures import MEASURES
from analysis.statistics.resampling import configuration_draws, paired

REFERENCES = ("full_sampling", "low_pass")
MEASURED = ("value", "low", "high", *(f"{name}{end}" for name in REFERENCES for end in ("", "_low", "_high")))


def external_table(run: Run, configurations: pd.DataFrame) -> pd.DataFrame:
    """One row a cohort, configuration and vendor scored on, by vendor trained on and rate.

    ``value`` is the metric with its patient-clustered interval; ``full_sampling`` and ``low_pass`` are the differences
    to these, NaN where they were not scored on the cohort. Without per-image scores there are no intervals.
    """
    if run.external.empty or configurations.empty:
        return pd.DataFrame(columns=["cohort", *configurations.columns, "scored_on", "images", "patients", *MEASURED])
    full_sampling = dict(zip(configurations["configuration"], full_sampling_of(configurations)))
    low_pass = dict(zip(configurations["configuration"], low_pass_of(configurations)))
    keys = dict(zip(configurations["configuration"], configurations["keys"]))
    rows = []
    for cohort, scored in run.external.groupby("cohort"):
        draws = _draws(run, str(cohort))
        scored_keys = set(scored["key"])
        of_cohort = {name: [key for key in names if key in scored_keys] for name, names in keys.items()}
        for configuration, trained in of_cohort.items():
            of_configuration = scored[scored["key"].isin(trained)]
            for vendor, of_vendor in of_configuration.groupby("vendor"):
                compared = {}
                for name, reference in zip(REFERENCES, (full_sampling, low_pass), strict=True):
                    other = reference[configuration]
                    is_other = other is not None and other != configuration
                    compared[name] = configuration_draws(of_cohort[other], draws) if is_other else {}
                about = {
                    "cohort": cohort,
                    "configuration": configuration,
                    "keys": trained,
                    "seeds": len(trained),
                    "scored_on": vendor,
                    "images": int(of_vendor["images"].max()),
                    "patients": int(of_vendor["patients"].max()),
                    "value": float(of_vendor[run.metric].mean()),
                }
                rows.append(about | _compared(configuration_draws(trained, draws), compared, str(vendor)))
    table = pd.DataFrame(rows).merge(
        configurations.drop(columns=["keys", "seeds"]), on="configuration", how="left", suffixes=("", "_of_run")
    )
    order = ["cohort", "vendor", "scored_on", "realised_rate", "family"]
    return table.sort_values(order, kind="stable", ignore_index=True)


def settings_shown(table: pd.DataFrame, configurations: pd.DataFrame) -> list[str]:
    """The settings beside vendor, mask and rate in which the rows of an external table differ."""
    names = [name for name in varied_fields(configurations) if name != "mask"]
    return [name for name in names if name in table and table[name].nunique(dropna=False) > 1]


def _compared(values: TrialDraws, references: dict[str, TrialDraws], vendor: str) -> dict[str, float]:
    """The interval of a configuration on one vendor, and its differences to the references."""
    role = ("test", vendor)
    ends = interval(values[role]) if role in values else NOWHERE
    columns = {"low": ends.low, "high": ends.high}
    for name, other in references.items():
        difference = paired(values, other).get(role)
        ends = NOWHERE if difference is None else interval(difference)
        columns[name] = math.nan if difference is None else difference.point
        columns[f"{name}_low"] = ends.low
        columns[f"{name}_high"] = ends.high
    return columns


def _draws(run: Run, cohort: str) -> dict[str, TrialDraws]:
    """key -> ("test", vendor) -> the metric on resampled patients of another cohort; {} without per-image scores."""
    scores = external_scores(run.root, cohort)
    if scores is None:
        return {}
    measure = MEASURES[run.metric]
    scores = scores[measure.counts(scores)]
    draws: dict[str, TrialDraws] = {}
    for vendor, of_vendor in scores.groupby("vendor"):
        patients = np.unique(of_vendor["patient_id"])
        weights = patient_weights(len(patients), DRAWS, "external", cohort, str(vendor))
        for key, images in of_vendor.groupby("key"):
            label, score, patient = (images[column].to_numpy() for column in ("label", "score", "patient_id"))
            if np.array_equal(np.unique(patient), patients):
                resampled: Resampled = measure.resampled(label, score, patient, patients, weights)
                draws.setdefault(str(key), {})["test", str(vendor)] = resampled
    return draws
