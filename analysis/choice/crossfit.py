"""Repeated cross-fitting by patient: choose the rate on half of the held-out patients, report on the other half.

Small cohorts can't afford patients that only choose and patients that only report. No trained model saw a validation
or test patient, so both can do either: each split halves them, by patient, within vendor and within the classes that a
patient has, and each half chooses once for the other. Nothing is trained again (Chernozhukov et al., 2018, for the
name). What was chosen on validation patients is the epoch of the weights: an optimism that splits can't remove.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.choice.options import Options
from analysis.choice.rules import RULES
from analysis.choice.selection import evidence, with_scores
from analysis.read.class_patients import count_patients
from analysis.read.configurations import full_beside
from analysis.read.load import Run
from analysis.read.trial_arrays import image_scores
from analysis.statistics.bootstrap import Resampled, TrialDraws
from analysis.statistics.fitted import fit_vendor
from analysis.statistics.measures import Measure, measure_of
from analysis.statistics.resampling import domain_draws
from tune_ks.core.domains import ClassPatients, other_vendors, sources_of
from tune_ks.core.metrics import DOMAINS, METRICS
from tune_ks.core.seeding import generator

DRAWS = 200  # of patients inside a half, for the curves; what fit_curve asks for


class CrossFit(NamedTuple):
    """What a rule chooses on half of the patients, and what that is worth on the other half."""

    vendor: str
    rule: str
    repeats: int  # each gives two halves
    halves: int  # in which the rule chose and the other half could be scored
    rates: pd.DataFrame  # realised_rate, share of the halves that chose it
    value: dict[str, float]  # endpoint -> mean over halves, of patients that did not choose; NaN where not scored
    value_sd: dict[str, float]  # over halves: how much splits differ, no confidence interval
    difference: dict[str, float]  # to full sampling on the same patients
    refused: str = ""


class Halves(NamedTuple):
    """The metric of every trial on every half of the patients."""

    chooses: list[dict[str, TrialDraws]]  # half -> key -> as if ("val", vendor)
    reports: list[dict[str, TrialDraws]]  # half -> key -> the same on the other half, without draws


class Patients(NamedTuple):
    """The held-out patients of one vendor, and how they are halved."""

    names: np.ndarray  # (P,) sorted
    weights: np.ndarray  # (2 repeats * (1 + DRAWS), P)
    in_mean: bool  # whether the vendor counts in the cross-domain mean


class Unscored(ValueError):
    """The trials can't be scored on halves of the patients: says why."""


def cross_fit(run: Run, table: pd.DataFrame, vendor: str, rule: str, options: Options, repeats: int) -> CrossFit:
    """``table``: the vendor's configurations that may be chosen. The whole of each choice is repeated, curves included.

    A rule that needs a proof is refused: a test at 95 % has no use for half of the patients.
    """
    if RULES[rule].needs_proof:
        why = "a proof needs all its validation patients: cross-fit a rule that makes a point estimate"
        return _refusal(vendor, rule, repeats, why)
    try:
        halves = score_halves(run, [key for keys in table["keys"] for key in keys], vendor, repeats)
    except Unscored as error:
        return _refusal(vendor, rule, repeats, str(error))
    choices = _choices(run, table, halves, vendor, rule, options)
    if choices.empty:
        return _refusal(vendor, rule, repeats, "the rule chose no rate on any half of the patients")
    share = choices["realised_rate"].value_counts(normalize=True).sort_index()
    return CrossFit(
        vendor=vendor,
        rule=rule,
        repeats=repeats,
        halves=len(choices),
        rates=pd.DataFrame({"realised_rate": share.index, "share": share.to_numpy()}),
        value={domain: float(choices[domain].mean()) for domain in DOMAINS},
        value_sd={domain: float(choices[domain].std()) for domain in DOMAINS},
        difference={domain: float(choices[f"{domain}_difference"].mean()) for domain in DOMAINS},
    )


def _refusal(vendor: str, rule: str, repeats: int, why: str) -> CrossFit:
    return CrossFit(
        vendor=vendor,
        rule=rule,
        repeats=repeats,
        halves=0,
        rates=pd.DataFrame(columns=["realised_rate", "share"]),
        value={},
        value_sd={},
        difference={},
        refused=why,
    )


def _choices(run: Run, table: pd.DataFrame, halves: Halves, vendor: str, rule: str, options: Options) -> pd.DataFrame:
    """A row a half in which the rule chose: realised_rate, and by endpoint the metric on the other half.

    Beside each metric stands its difference to full sampling's.
    """
    keys = {key for of_configuration in table["keys"] for key in of_configuration}
    trials = run.trials[run.trials["key"].isin(keys)].copy()
    names = table["configuration"].tolist()
    rows = []
    for chooses, reports in zip(halves.chooses, halves.reports):
        chosen = _choose(table, trials, chooses, vendor, rule, options)
        if chosen is None:
            continue
        row = {"realised_rate": float(chosen["realised_rate"])}
        full = full_beside(table, names.index(chosen["configuration"]))
        for domain in DOMAINS:
            row[domain] = _mean(reports, chosen["keys"], vendor, domain)
            at_full = math.nan if full is None else _mean(reports, table["keys"].iloc[full], vendor, domain)
            row[f"{domain}_difference"] = row[domain] - at_full
        rows.append(row)
    return pd.DataFrame(rows)


def score_halves(run: Run, keys: list[str], vendor: str, repeats: int) -> Halves:
    """Every trial on every half. Unscored where a trial lacks scores, or was scored on other patients."""
    patients: dict[str, Patients] = {}  # by vendor
    halves = Halves([{} for _ in range(2 * repeats)], [{} for _ in range(2 * repeats)])
    measure = measure_of(run)
    for key in keys:
        scores = image_scores(run.root, key, run.cohort)
        if scores is None:
            raise Unscored(f"trial {key} has no scores per image that can be read")
        scores = measure.of_counted(scores[scores["split"].isin(["val", "test"])])
        if not patients:
            left_out = _left_out(scores, vendor, run.metric)
        for test_vendor, images in scores.groupby("vendor"):
            name = str(test_vendor)
            if name not in patients:
                patients[name] = _halved(images, repeats, name, name not in left_out)
            if not np.array_equal(np.unique(images["patient_id"]), patients[name].names):
                raise Unscored(f"trial {key} was scored on other patients of {name} than the first")
            for half, value in enumerate(_by_half(images, patients[name], measure)):
                halves.chooses[half].setdefault(key, {})["val", name] = value
                halves.reports[half ^ 1].setdefault(key, {})["val", name] = replace(value, draws=value.draws[:0])
    if not set(sources_of(vendor)) <= set(patients):
        raise Unscored(f"no trial has scores of {vendor}")
    return halves


def _left_out(scores: pd.DataFrame, vendor: str, metric: str) -> set[str]:
    """The vendors that the cross-domain mean leaves out, as half of their patients are too few."""
    defined, patients = {}, {}
    classes = METRICS[metric].classes
    for name, images in scores.groupby("vendor"):
        whole = count_patients(images["label"], images["patient_id"])
        patients[str(name)] = ClassPatients(*(count // 2 for count in whole))
        defined[str(name)] = 1.0 if set(classes) <= set(images["label"]) else math.nan  # any number: it has a value
    return set(other_vendors(defined, vendor, patients, classes).left_out)


def _halved(images: pd.DataFrame, repeats: int, vendor: str, in_mean: bool) -> Patients:
    halves = split_in_halves(images, repeats, vendor)
    return Patients(np.unique(images["patient_id"]), _weights(halves, vendor), in_mean)


def _by_half(images: pd.DataFrame, patients: Patients, measure: Measure) -> list[Resampled]:
    """One trial's metric on each half of the patients of one vendor; ``images``: label, score, patient_id."""
    whole = measure.of_images(images, patients.names, patients.weights)
    fewest = whole.patients // 2
    by_half = whole.draws.reshape(-1, 1 + DRAWS)  # of each half its own value, then those of its resamples
    return [Resampled(float(values[0]), values[1:], fewest, in_mean=patients.in_mean) for values in by_half]


def split_in_halves(images: pd.DataFrame, repeats: int, vendor: str) -> np.ndarray:
    """(2 * repeats, P) of 0 and 1 over the sorted patients; rows 2 k and 2 k + 1 are a pair that shares no patient.

    ``images``: patient_id and label. Patients with one class only and patients with both are halved apart.
    """
    by_patient = images.groupby("patient_id")["label"].agg(["min", "max"]).sort_index()
    classes = (by_patient["min"] + 2 * by_patient["max"]).to_numpy(int)  # equal for patients with the same classes
    random = generator(0, "cross-fit", vendor)
    halves = np.zeros((2 * repeats, len(classes)))
    for pair in range(repeats):
        order = random.permutation(len(classes))
        order = order[np.argsort(classes[order], kind="stable")]
        halves[2 * pair, order[pair % 2 :: 2]] = 1  # every second patient; the halves take turns with the odd one
        halves[2 * pair + 1] = 1 - halves[2 * pair]
    return halves


def _weights(halves: np.ndarray, vendor: str) -> np.ndarray:
    """(H, P) halves -> (H * (1 + DRAWS), P): of each half the half itself, then DRAWS resamples of its patients."""
    random = generator(0, "cross-fit draws", vendor)
    rows = []
    for half in halves:
        size = int(half.sum())
        rows += [half, *random.multinomial(size, half / size, size=DRAWS)]
    return np.array(rows, dtype=float)


def _choose(
    table: pd.DataFrame, trials: pd.DataFrame, draws: Mapping[str, TrialDraws], vendor: str, rule: str, options: Options
) -> pd.Series | None:
    """The configuration that the rule chooses from the scores of one half, in the way that it chooses in a whole run.

    ``trials`` gets the half's scores as its validation columns.
    """
    names = {domain: f"val_{domain}" for domain in DOMAINS}
    for domain, name in names.items():
        scores = [domain_draws(draws[key], vendor, "val", domain) for key in trials["key"]]
        trials[name] = [math.nan if score is None else score.point for score in scores]
    by_configuration = trials.groupby("configuration")
    mean = by_configuration[list(names.values())].mean()
    mean["val_in_domain_sd"] = by_configuration["val_in_domain"].std()
    rescored = table.drop(columns=[*names.values(), "val_in_domain_sd"], errors="ignore")
    rescored = rescored.merge(mean.reset_index(), on="configuration")
    candidate = with_scores(rescored, "val")
    fitted = fit_vendor(candidate, trials, draws, vendor, "val")
    points, _ = evidence(candidate, fitted, None, options.measure)
    row = RULES[rule].pick(points, options.values).row
    return None if row is None else candidate.iloc[row]


def _mean(reports: Mapping[str, TrialDraws], keys: list[str], vendor: str, domain: str) -> float:
    """Mean over the seeds (``keys``) of the metric of a domain; NaN unknown."""
    scores = [domain_draws(reports[key], vendor, "val", domain) for key in keys]
    return float(np.mean([math.nan if score is None else score.point for score in scores]))
