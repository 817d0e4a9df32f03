"""What a network has to beat at each rate: the classical methods that its record holds, and the run's baselines.

A yardstick was fitted and scored on the images as the trial's mask samples them, so it has a curve over the rate, as
the network has. Of several, the one that is best on the source vendor's validation patients is drawn. What a network
must beat on a vendor's test patients is the best one there, by its test metric: an advantage over the network.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read.configurations import of_most_patients
from analysis.read.load import Run
from analysis.read.trial_arrays import yardstick_scores
from analysis.read.trial_rows import SCORES
from analysis.statistics.baselines import best, held_out_images
from analysis.statistics.bootstrap import DRAWS, NOWHERE, Resampled, TrialDraws, interval, patient_weights
from analysis.statistics.estimate import Noise, estimate
from analysis.statistics.measures import Measure, measure_of
from analysis.statistics.pareto import TWO
from analysis.statistics.resampling import Patients, configuration_draws, domain_draws, marked
from analysis.statistics.training_noise import seeds_of, training_noise
from tune_ks.core.record import SPLITS, TrialRecord, mean_of_defined

COLUMNS = (
    *("vendor", "configuration", "family", "full", "train_share", "has_network", "realised_rate"),
    *("yardstick", "best", *SCORES),
    *(f"test_{domain}{end}" for domain in TWO for end in ("_low", "_high")),
    *(f"above_{domain}{end}" for domain in TWO for end in ("", "_low", "_high")),
)
Noises = dict[tuple[str, str], Noise | None]  # (vendor trained on, domain) -> the error of one training
YardstickDraws = dict[str, dict[str, TrialDraws]]  # yardstick -> key of a trial -> (split, vendor) -> resampled metric


class Reached(NamedTuple):
    """What is reached without the network on one vendor's test patients."""

    words: str  # as "best one-number baseline (p90, 0.644)"
    draws: Resampled


WithoutNetwork = dict[str, dict[tuple[str, str], Reached]]  # configuration -> (split, vendor) -> the best there


class YardstickCurve(NamedTuple):
    """What yardsticks reach under the masks of one family: at each rate the one that validation chooses."""

    name: str  # the yardstick's, or "best of" and all that were chosen
    family: str
    scores: pd.DataFrame  # SCORES by realised_rate, and ``yardstick``: which it is there


def yardstick_table(
    run: Run,
    configurations: pd.DataFrame,
    draws: dict[str, TrialDraws],
    by_yardstick: YardstickDraws,
    noise: Noises,
) -> pd.DataFrame:
    """One row a configuration and yardstick, seeds averaged: its metrics, and how far the network is above it.

    ``best`` is True for the best one of each configuration in in-domain validation. ``above_DOMAIN`` is the network's
    test metric minus the yardstick's on the same patients, with its paired interval over patients and trainings. Empty
    where no record holds a yardstick.
    """
    rows = []
    for row in configurations.itertuples():
        records = [run.records[key] for key in row.keys]
        names = yardsticks_of(records)
        best_name = _best_in_validation(records, names)
        for name in names:
            columns = ("vendor", "configuration", "family", "full", "train_share")
            about = {column: getattr(row, column) for column in columns}
            about["has_network"] = has_network(records)
            reached = configuration_draws(row.keys, by_yardstick.get(name, {}))
            rows.append(
                about
                | {"realised_rate": row.realised_rate, "yardstick": plain(name), "best": name == best_name}
                | _scores(records, name)
                | _ends(reached, row.vendor)
                | _above("above", row.keys, row.vendor, draws, reached, noise)
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _best_in_validation(records: Sequence[TrialRecord], names: Sequence[str]) -> str:
    """The yardstick with the highest in-domain validation metric; the first of equal or unknown ones, "" of none."""
    best = ""
    highest = -math.inf
    for name in names:
        value = _scores(records, name)["val_in_domain"]
        if not best or value > highest:
            best = name
            highest = -math.inf if math.isnan(value) else value
    return best


def yardsticks_of(records: Sequence[TrialRecord]) -> list[str]:
    """The names of the yardsticks that all these records hold, sorted."""
    names = [set(record.yardsticks or {}) for record in records]
    return sorted(set.intersection(*names)) if names else []


def has_network(records: Sequence[TrialRecord]) -> bool:
    """Whether a network has scored these trials; otherwise a yardstick has."""
    return not any(record.scored_by for record in records)


def plain(name: str) -> str:
    """A yardstick's name in words."""
    return name.replace("_", " ")


def yardstick_draws(run: Run) -> YardstickDraws:
    """The metric of every yardstick on resampled test patients, the same in each draw as for the networks."""
    measure = measure_of(run)
    patients: dict[str, Patients] = {}  # by vendor
    for vendor, images in held_out_images(run.cohort):
        names = np.unique(images["patient_id"])
        patients[vendor] = Patients(names, patient_weights(len(names), DRAWS, vendor))
    computed: dict[tuple, Resampled] = {}  # the seeds of a fixed mask share their yardsticks

    def on_vendor(vendor: str, images: pd.DataFrame) -> Resampled | None:
        """None where other patients were scored than all that are tested on."""
        of_vendor = patients.get(vendor)
        if of_vendor is None or not np.array_equal(np.unique(images["patient_id"]), of_vendor.names):
            return None
        same = (vendor, images["score"].to_numpy().tobytes())
        if same not in computed:
            computed[same] = measure.of_images(images, of_vendor.names, of_vendor.weights)
        return computed[same]

    by_yardstick: YardstickDraws = {}
    for key, record in run.records.items():
        left_out = record.others("test").left_out
        for name in yardsticks_of([record]):
            scores = yardstick_scores(run.root, key, run.cohort, name)
            if scores is None:
                continue
            of_trial = by_yardstick.setdefault(name, {}).setdefault(key, {})
            for vendor, images in measure.of_counted(scores[scores["split"] == "test"]).groupby("vendor"):
                value = on_vendor(vendor, images)
                if value is not None:
                    of_trial["test", vendor] = dataclasses.replace(value, in_mean=vendor not in left_out)
    return by_yardstick


def above_best(
    run: Run,
    configurations: pd.DataFrame,
    draws: dict[str, TrialDraws],
    without_network: WithoutNetwork,
    noise: Noises,
) -> pd.DataFrame:
    """One row a configuration: how far its test metric is above the best of all that is reached without the network.

    Columns ``above_baseline_DOMAIN``, its ``_low`` and ``_high``, and ``best_yardstick``: the best one in words, on the
    source vendor's patients; None where there is none.
    """
    rows = []
    for row in configurations.itertuples():
        reached = without_network[row.configuration]
        at_home = reached.get(("test", row.vendor))
        best_draws = marked({role: value.draws for role, value in reached.items()}, run.records[row.keys[0]])
        rows.append(
            {"configuration": row.configuration, "best_yardstick": at_home.words if at_home else None}
            | _above("above_baseline", row.keys, row.vendor, draws, best_draws, noise)
        )
    return pd.DataFrame(rows)


def best_without_network(
    run: Run, configurations: pd.DataFrame, baselines: pd.DataFrame, by_yardstick: YardstickDraws
) -> WithoutNetwork:
    """Configuration -> (split, vendor) -> the best of its yardsticks and the run's baselines, by the test metric.

    A trial that a yardstick answers has the baselines alone.
    """
    measure = measure_of(run)
    base = {source: _best_baselines(run, baselines, source, measure) for source in configurations["vendor"].unique()}
    best: WithoutNetwork = {}
    for row in configurations.itertuples():
        reached = dict(base[row.vendor])
        best[row.configuration] = reached
        if not has_network([run.records[key] for key in row.keys]):
            continue
        for role, candidate in best_yardsticks(run, row.keys, by_yardstick).items():
            if role not in reached or candidate.draws.point > reached[role].draws.point:
                reached[role] = candidate
    return best


def _best_baselines(run: Run, baselines: pd.DataFrame, source: str, measure: Measure) -> dict[tuple[str, str], Reached]:
    """(split, vendor) -> the best of the run's baselines, which are the same at every rate."""
    reached = {}
    for role, value in measure.yardstick.draws(run, baselines, source).items():
        named = best(baselines, role[1], source)
        which = "" if named is None else f"{named['baseline']}, "
        reached[role] = Reached(f"{measure.yardstick.name} ({which}{value.point:.3f})", value)
    return reached


def best_yardsticks(run: Run, keys: list[str], by_yardstick: YardstickDraws) -> dict[tuple[str, str], Reached]:
    """(split, vendor) -> the yardstick with the highest metric on the images as these trials sample them."""
    reached: dict[tuple[str, str], Reached] = {}
    for name in yardsticks_of([run.records[key] for key in keys]):
        for role, value in configuration_draws(keys, by_yardstick.get(name, {})).items():
            if role not in reached or value.point > reached[role].draws.point:
                reached[role] = Reached(f"best yardstick ({plain(name)}, {value.point:.3f})", value)
    return reached


def yardstick_curves(rows: pd.DataFrame) -> list[YardstickCurve]:
    """The curves of one source vendor, a mask family each, full sampling in every one.

    Configurations of one family and rate are averaged: their temperatures, for instance, make other masks. Only those
    that were trained on the most patients count.
    """
    rows = shown(of_most_patients(rows))
    full = rows["full"].astype(bool)
    name = shown_name(rows)
    curves = []
    for family, below in rows[~full].groupby("family"):
        by_rate = pd.concat([below, rows[full]]).groupby("realised_rate")
        scores = by_rate[list(SCORES)].mean().assign(yardstick=by_rate["yardstick"].agg(_joined))
        curves.append(YardstickCurve(name, str(family), scores.reset_index()))
    return curves


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that a figure shows beside a network: the best one of each configuration."""
    return rows[rows["best"].astype(bool) & rows["has_network"].astype(bool)]


def shown_name(rows: pd.DataFrame) -> str:
    """The yardstick of these rows that are shown; of several "best of", with the most frequent one first."""
    names = rows["yardstick"].value_counts().index.tolist()
    return str(names[0]) if len(names) == 1 else f"best of {', '.join(names)}"


def _joined(names: pd.Series) -> str:
    return " or ".join(dict.fromkeys(names))


def _scores(records: Sequence[TrialRecord], name: str) -> dict[str, float]:
    """SCORES of a yardstick, the mean over the trials."""
    scores: dict[str, float] = {}
    for split in SPLITS:
        of_yardstick = [reached_by(record, name, split) for record in records]
        scores[f"{split}_in_domain"] = mean_of_defined(record.in_domain(split) for record in of_yardstick)
        scores[f"{split}_cross_domain"] = mean_of_defined(record.cross_domain(split) for record in of_yardstick)
    return scores


def reached_by(record: TrialRecord, name: str, split: str) -> TrialRecord:
    """The record with the metrics of one of its yardsticks in place of its own; those of ``split`` only."""
    by_vendor = (record.yardsticks or {})[name].get(split, {})
    return dataclasses.replace(record, val=by_vendor, test=by_vendor)


def noise_of(configurations: pd.DataFrame, draws: dict[str, TrialDraws]) -> Noises:
    """How far a training lies from the mean of its rate, by vendor trained on and domain of its test metric."""
    noise: Noises = {}
    for vendor, rows in configurations.groupby("vendor"):
        for domain in TWO:
            noise[str(vendor), domain] = training_noise(rows, draws, str(vendor), "test", domain)
    return noise


def _ends(reached: TrialDraws, vendor: str) -> dict[str, float]:
    """The interval of a yardstick's own test metric, over patients: it is fitted, not trained from a seed."""
    columns = {}
    for domain in TWO:
        of_domain = domain_draws(reached, vendor, "test", domain)
        ends = NOWHERE if of_domain is None else interval(of_domain)
        columns[f"test_{domain}_low"] = ends.low
        columns[f"test_{domain}_high"] = ends.high
    return columns


def _above(
    span: str, keys: list[str], vendor: str, draws: dict[str, TrialDraws], reached: TrialDraws, noise: Noises
) -> dict[str, float]:
    """SPAN_DOMAIN, its _low and _high: the trainings' mean minus what is ``reached``, over patients and trainings."""
    columns = {}
    for domain in TWO:
        seeds = seeds_of(keys, draws, vendor, "test", domain)
        yardstick = domain_draws(reached, vendor, "test", domain)
        differences = [] if yardstick is None else [seed - yardstick for seed in seeds]
        above = estimate(differences, noise=noise[vendor, domain])
        ends = above.interval()
        columns[f"{span}_{domain}"] = above.point
        columns[f"{span}_{domain}_low"] = ends.low
        columns[f"{span}_{domain}_high"] = ends.high
    return columns
