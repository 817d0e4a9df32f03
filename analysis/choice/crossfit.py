"""Repeated cross-fitting by patient: choose the rate on half of the held-out patients, report on the other half.

Small cohorts can't afford patients that only choose and patients that only report. No trained model saw a validation
or test patient, so both can do either: each split halves them, by patient, within vendor and within the classes that a
patient has, and each half chooses once for the other. Nothing is trained again (Chernozhukov et al., 2018, for the
name). What was chosen on validation patients is the epoch of the weights: an optimism that splits can't remove.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.choice.selection import RULES, Options, candidates, evidence
from analysis.read.load import Run
from analysis.read.trial_arrays import image_scores
from analysis.statistics.bootstrap import Resampled, TrialDraws
from analysis.statistics.measures import MEASURES
from analysis.statistics.resampling import domain_draws
from analysis.statistics.uncertain_front import vendor_curves
from tune_ks.core.metrics import DOMAINS
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
    """The metric of every trial on every half."""

    chooses: list[dict[str, TrialDraws]]  # half -> key -> as if ("val", vendor)
    reports: list[dict[str, dict[str, float]]]  # half -> key -> vendor -> metric on the other half


def cross_fit(run: Run, table: pd.DataFrame, vendor: str, rule: str, options: Options, repeats: int) -> CrossFit:
    """``table``: the vendor's configurations that may be chosen. The whole of each choice is repeated, curves included.

    ``noninferior`` is refused: a test at 95 % has no use for half of the patients.
    """

    def refuse(why: str) -> CrossFit:
        return CrossFit(vendor, rule, repeats, 0, pd.DataFrame(columns=["realised_rate", "share"]), {}, {}, {}, why)

    if rule == "noninferior":
        return refuse("a proof needs all its validation patients: cross-fit a rule that makes a point estimate")
    keys = [key for row in table["keys"] for key in row]
    halves = score_halves(run, keys, vendor, repeats)
    if isinstance(halves, str):
        return refuse(halves)
    trials = run.trials[run.trials["key"].isin(keys)].copy()
    full = table[table["full"].astype(bool)]
    found = []
    for chooses, reports in zip(*halves):
        chosen = _choose(table, trials, chooses, vendor, rule, options)
        if chosen is None:
            continue
        row = {"realised_rate": float(chosen["realised_rate"])}
        for domain in DOMAINS:
            row[domain] = _mean(reports, chosen["keys"], vendor, domain)
            reference = _mean(reports, full.iloc[0]["keys"], vendor, domain) if len(full) else math.nan
            row[f"{domain}_difference"] = row[domain] - reference
        found.append(row)
    if not found:
        return refuse("the rule chose no rate on any half of the patients")
    each = pd.DataFrame(found)
    share = each["realised_rate"].value_counts(normalize=True).sort_index()
    return CrossFit(
        vendor=vendor,
        rule=rule,
        repeats=repeats,
        halves=len(each),
        rates=pd.DataFrame({"realised_rate": share.index, "share": share.to_numpy()}),
        value={domain: float(each[domain].mean()) for domain in DOMAINS},
        value_sd={domain: float(each[domain].std()) for domain in DOMAINS},
        difference={domain: float(each[f"{domain}_difference"].mean()) for domain in DOMAINS},
    )


def score_halves(run: Run, keys: list[str], vendor: str, repeats: int) -> Halves | str:
    """Every trial on every half; a text says why it can't be done."""
    halves: dict[str, np.ndarray] = {}  # vendor -> (2 repeats, P) of 0 and 1
    weights: dict[str, np.ndarray] = {}  # vendor -> (2 repeats * (1 + DRAWS), P)
    everyone: dict[str, np.ndarray] = {}
    chooses: list[dict[str, TrialDraws]] = [{} for _ in range(2 * repeats)]
    reports: list[dict[str, dict[str, float]]] = [{} for _ in range(2 * repeats)]
    measure = MEASURES[run.metric]
    for key in keys:
        scores = image_scores(run.root, key, run.cohort)
        if scores is None:
            return f"trial {key} has no scores per image that can be read"
        scores = scores[measure.counts(scores) & scores["split"].isin(["val", "test"])]
        for test_vendor, part in scores.groupby("vendor"):
            name = str(test_vendor)
            patients = np.unique(part["patient_id"])
            if name not in halves:
                everyone[name] = patients
                halves[name] = split_in_halves(part, repeats, name)
                weights[name] = _weights(halves[name], name)
            if not np.array_equal(patients, everyone[name]):
                return f"trial {key} was scored on other patients of {name} than the first"
            columns = (part[n].to_numpy() for n in ("label", "score", "patient_id"))
            whole = measure.resampled(*columns, patients, weights[name])
            drawn, fewest = whole.draws.reshape(2 * repeats, 1 + DRAWS), whole.patients // 2
            for half in range(2 * repeats):
                one = Resampled(float(drawn[half, 0]), drawn[half, 1:], fewest)
                chooses[half].setdefault(key, {})["val", name] = one
                reports[half].setdefault(key, {})[name] = float(drawn[half ^ 1, 0])  # the pair's other half
    if vendor not in halves:
        return f"no trial has scores of {vendor}"
    return Halves(chooses, reports)


def split_in_halves(images: pd.DataFrame, repeats: int, vendor: str) -> np.ndarray:
    """(2 * repeats, P) of 0 and 1 over the sorted patients; rows 2 k and 2 k + 1 are a pair that shares no patient.

    ``images``: patient_id and label. Patients with one class only and patients with both are halved apart.
    """
    by_patient = images.groupby("patient_id")["label"].agg(["min", "max"]).sort_index()
    kind = (by_patient["min"] + 2 * by_patient["max"]).to_numpy(int)
    random = generator(0, "cross-fit", vendor)
    found = np.zeros((2 * repeats, len(kind)))
    for pair in range(repeats):
        order = random.permutation(len(kind))
        order = order[np.argsort(kind[order], kind="stable")]  # every second of each kind; the odd ones alternate
        found[2 * pair, order[pair % 2 :: 2]] = 1
        found[2 * pair + 1] = 1 - found[2 * pair]
    return found


def _weights(halves: np.ndarray, vendor: str) -> np.ndarray:
    """(H, P) halves -> (H * (1 + DRAWS), P): each half itself, then draws of its patients."""
    random = generator(0, "cross-fit draws", vendor)
    size = halves.sum(axis=1).astype(int)
    drawn = [random.multinomial(n, half / n, size=DRAWS) for n, half in zip(size, halves)]
    return np.concatenate([np.vstack([half, more]) for half, more in zip(halves, drawn)]).astype(float)


def _choose(
    table: pd.DataFrame, trials: pd.DataFrame, draws: Mapping[str, TrialDraws], vendor: str, rule: str, options: Options
) -> pd.Series | None:
    """The rule's choice from one half's scores, by the way that a whole run goes."""
    names = {domain: f"val_{domain}" for domain in DOMAINS}
    for domain, name in names.items():
        each = [domain_draws(draws[key], vendor, "val", domain) for key in trials["key"]]
        trials[name] = [math.nan if one is None else one.point for one in each]
    groups = trials.groupby("configuration")[list(names.values())]
    own = table.drop(columns=[*names.values(), "val_in_domain_sd"], errors="ignore")
    own = own.merge(groups.mean().reset_index(), on="configuration")
    own = own.merge(groups.std().add_suffix("_sd")[["val_in_domain_sd"]].reset_index(), on="configuration")
    points, _ = evidence(candidates(own, "val")[0], vendor_curves(trials, dict(draws), vendor, "val"), None, options)
    row = RULES[rule](points, options).row
    return None if row is None else points.loc[row]


def _mean(reports: dict[str, dict[str, float]], keys: list[str], vendor: str, domain: str) -> float:
    """Mean over the seeds, and over the other vendors."""
    inside = domain == "in_domain"
    each = [
        np.mean([value for v, value in reports[key].items() if (v == vendor) == inside] or [math.nan]) for key in keys
    ]
    return float(np.mean(each))
