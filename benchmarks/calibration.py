"""Are the intervals as wide as they say, and do the rules choose well? The analysis on cohorts with known truth.

    nice -n 15 python -m benchmarks.calibration [--replicates 400] [--only SETTING ...]

Each replicate draws what a search would leave behind: patients, images, trainings and their scores. The analysis then
computes intervals, curves, choices and proofs from them. The true curves are smooth, like those of the real patches
(docs/results.md) or of the source study's Table 1; each training lies 0.08 logits away from them (there: 0.07 to 0.1).

Scores correlate as real ones do. Of their variance 0.25 belongs to the patient (0.10 of it is a contrast between the
patient's classes), 0.55 to the image, 0.075 changes with the logarithm of the rate (patient and image), and 0.125
belongs to the training.

Printed: coverage of 90 % intervals (goal: 85 to 95 %), for fixed rates and for chosen ones; and regret, the AUC that a
choice has less than the best rate.
"""

import math
import time
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri

from analysis.choice.noninferior import MARGIN, Proof, noninferior, noninferior_curve
from analysis.choice.options import Options
from analysis.choice.rules import RULES
from analysis.choice.selection import evidence, with_scores
from analysis.statistics.bootstrap import (
    Interval,
    Resampled,
    average,
    interval,
    patient_weights,
    resampled_auc,
    win_matrix,
)
from analysis.statistics.measures import MEASURES
from analysis.statistics.uncertain_front import vendor_curves
from benchmarks.tools import parser

DRAWS = 300
TRAINING_SD = 0.08  # logits between a training's true AUC and the curve
# variances of a score; the contrast counts a quarter: the classes lie half of it above and below the patient's level
PATIENT = 0.15
CONTRAST = 0.40
IMAGE = 0.55
DRIFT_PATIENT = 0.025  # these two change with the logarithm of the rate
DRIFT_IMAGE = 0.05
TRAINING = 0.125
VENDOR = {"in_domain": "GE", "cross_domain": "SIEMENS"}
PATCH_RATES = np.array([1, 2, 4, 8, 16, 32, 64]) / 64
TABLE_RATES = np.array([38, 62, 91, 127, 154, 170, 182, 206, 227, 256]) / 256


class Setting(NamedTuple):
    """What one kind of search consists of."""

    in_domain: Callable[[np.ndarray], np.ndarray]  # rates -> true AUC
    cross_domain: Callable[[np.ndarray], np.ndarray]
    rates: np.ndarray
    seeds: int
    val: tuple[int, int]  # patients in-domain, cross-domain
    test: tuple[int, int]
    images: int = 13  # a patient
    drawn: bool = False  # a sampler drew the rates, so the proof is of the fitted curve


def patches_in(rate: np.ndarray) -> np.ndarray:
    """Like GE post_1: 0.02 below the best at 4/64."""
    return 0.83 - 0.06 * 2 ** (-24 * rate)


def patches_cross(rate: np.ndarray) -> np.ndarray:
    """The same, steeper."""
    return 0.85 - 0.09 * 2 ** (-24 * rate)


def table_in(rate: np.ndarray) -> np.ndarray:
    """Like GE in Table 1: rises to 0.24, then level."""
    return 0.893 - 0.436 * 2 ** (-20 * rate)


def table_cross(rate: np.ndarray) -> np.ndarray:
    """Like GE in Table 1: best at the lowest rate, then level, better again at 1."""
    return 0.61 + 0.6 * 2 ** (-20 * rate) + 0.045 * rate**8


def flat(rate: np.ndarray) -> np.ndarray:
    """Every rate is as good as full sampling."""
    return np.full(len(rate), 0.83)


def at_margin(rate: np.ndarray) -> np.ndarray:
    """Every rate is a little worse than the margin allows, so every proof is false."""
    return np.where(rate < 1, 0.83 - MARGIN - 1e-6, 0.83)


def sloped(rate: np.ndarray) -> np.ndarray:
    """Smoothly worse, by the margin at a rate of 0.5."""
    return 0.83 + 1.001 * MARGIN * np.log2(rate)


PATCHES = (patches_in, patches_cross, PATCH_RATES)
TABLE = (table_in, table_cross, TABLE_RATES)
SETTINGS = {
    "patches, GE": Setting(*PATCHES, 3, (36, 57), (36, 15)),
    "patches, SIEMENS": Setting(*PATCHES, 3, (15, 145), (15, 36)),
    "patches, GE, one seed": Setting(*PATCHES, 1, (36, 57), (36, 15)),
    "patches, 8 patients": Setting(*PATCHES, 3, (8, 8), (8, 8)),
    "patches, 100 patients": Setting(*PATCHES, 3, (100, 100), (100, 100)),
    "Table 1": Setting(*TABLE, 3, (126, 235), (126, 59), 6),  # a fifth of Duke's 628 and 294 patients
    "Table 1, one seed": Setting(*TABLE, 1, (126, 235), (126, 59), 6),
}
GRID = np.array([0.125, 0.5, 1.0])
DRAWN = np.unique(np.round(np.geomspace(4 / 64, 1, 24) * 64) / 64)
PROOFS = {
    f"{name}, {patients} patients": Setting(truth, flat, GRID, 3, (patients,) * 2, (8, 8))
    for name, truth in (("equal", flat), ("in-domain worse by the margin", at_margin))
    for patients in (15, 36, 100)
} | {
    f"drawn, {name}, {patients} patients": Setting(truth, flat, DRAWN, 1, (patients,) * 2, (8, 8), drawn=True)
    for name, truth, patients in (
        ("equal", flat, 36),
        ("equal", flat, 100),
        ("sloped", sloped, 36),
        ("sloped", sloped, 100),
    )
}


class Search(NamedTuple):
    """One simulated search of one source vendor."""

    table: pd.DataFrame  # one row for each rate, as analysis.read.configurations makes them
    trials: pd.DataFrame  # one row for each training
    draws: dict[str, dict[tuple[str, str], Resampled]]  # key of a training -> (split, vendor) -> resampled AUC
    true_auc: dict[str, np.ndarray]  # domain -> (R, S) true AUC of each training


def simulate(setting: Setting, rng: np.random.Generator) -> Search:
    """Draw what a run folder would hold; R rates, S seeds."""
    keys = [[f"{rate:.4f} {seed}" for seed in range(setting.seeds)] for rate in setting.rates]
    draws: dict = {key: {} for at_rate in keys for key in at_rate}
    true_auc = {}
    for place, domain in enumerate(VENDOR):
        curve = logit(getattr(setting, domain)(setting.rates))
        noise = rng.normal(0, TRAINING_SD, (len(setting.rates), setting.seeds))
        true_auc[domain] = expit(curve[:, None] + noise)
        for split in ("val", "test"):
            drawn = scored(setting, true_auc[domain], getattr(setting, split)[place], rng)
            for (rate, seed), value in drawn.items():
                draws[keys[rate][seed]][split, VENDOR[domain]] = value
    trials = trials_table(setting, keys, draws)
    return Search(configurations_table(setting, keys, trials), trials, draws, true_auc)


def trials_table(setting: Setting, keys: list[list[str]], draws: dict) -> pd.DataFrame:
    """One row for each training, with its four scores."""
    rows = []
    for rate, at_rate in zip(setting.rates, keys):
        for key in at_rate:
            row = {"key": key, "realised_rate": rate, "configuration": f"{rate:.4f}"}
            for split, domain in product(("val", "test"), VENDOR):
                row[f"{split}_{domain}"] = draws[key][split, VENDOR[domain]].point
            rows.append(row)
    return pd.DataFrame(rows)


def configurations_table(setting: Setting, keys: list[list[str]], trials: pd.DataFrame) -> pd.DataFrame:
    """One row for each rate: means over seeds, and standard deviations ("_sd")."""
    scores = [f"{split}_{domain}" for split, domain in product(("val", "test"), VENDOR)]
    groups = trials.groupby("configuration", sort=False)
    means = groups[["realised_rate", *scores]].mean()
    deviations = groups[scores].std(ddof=1).add_suffix("_sd")
    table = means.join(deviations).reset_index()
    # what the rules and the proof also read
    return table.assign(seeds=setting.seeds, keys=keys, sampling_rate=setting.rates, full=setting.rates == 1)


def scored(
    setting: Setting, true_auc: np.ndarray, patients: int, rng: np.random.Generator
) -> dict[tuple[int, int], Resampled]:
    """(R, S) true AUCs -> (rate, seed) -> AUC on new patients, resampled; all trainings are scored on the same ones."""
    images = rng.integers(setting.images - 5, setting.images + 6, patients)
    patient = np.repeat(np.arange(patients), images)
    label = rng.integers(0, 2, len(patient))
    label[:2] = 0, 1
    shared = rng.normal(0, math.sqrt(PATIENT), patients)[patient] + rng.normal(0, math.sqrt(IMAGE), len(patient))
    shared += rng.normal(0, math.sqrt(CONTRAST), patients)[patient] * (label - 0.5)
    drift = rng.normal(0, math.sqrt(DRIFT_PATIENT), patients)[patient]
    drift += rng.normal(0, math.sqrt(DRIFT_IMAGE), len(patient))
    octave = np.log2(setting.rates)
    octave = (octave - octave.mean()) / octave.std()
    weights = patient_weights(patients, DRAWS, "calibration")
    drawn = {}
    for (rate, seed), auc in np.ndenumerate(true_auc):
        score = shared + octave[rate] * drift + rng.normal(0, math.sqrt(TRAINING), len(patient))
        spread = 2 * (PATIENT + CONTRAST / 4 + IMAGE + TRAINING + octave[rate] ** 2 * (DRIFT_PATIENT + DRIFT_IMAGE))
        score += math.sqrt(spread) * ndtri(auc) * label  # the AUC of images of different patients
        drawn[rate, seed] = resampled_auc(win_matrix(label, score, patient, np.arange(patients)), weights)
    return drawn


def study(setting: Setting, rng: np.random.Generator) -> dict[str, float]:
    """One replicate: name -> covered (0 to 1), regret, chosen rate, proven or not."""
    search = simulate(setting, rng)
    truth = {domain: getattr(setting, domain)(setting.rates) for domain in VENDOR}
    curves = vendor_curves(search.trials, search.draws, VENDOR["in_domain"], "val")
    proof = noninferior(search.table, search.draws, dict(zip(VENDOR, setting.val)), VENDOR["in_domain"])
    chosen = chosen_rates(search, curves, proof)
    values: dict[str, float] = {}
    for domain, curve in zip(VENDOR, curves):
        name = domain.replace("_", "-")
        values |= interval_coverage(search, domain, name, chosen)
        if curve is not None:
            at = np.searchsorted(curve.rates, setting.rates)
            band = (curve.low[at] <= truth[domain]) & (truth[domain] <= curve.high[at])
            values[f"curve {name}"] = band.mean()
            values[f"curve {name}, chosen by epsilon"] = band[chosen["epsilon"]]
        for rule, row in chosen.items():
            values[f"{rule}: {name} lost"] = truth[domain].max() - truth[domain][row]
    values |= {f"{rule}: rate": setting.rates[row] for rule, row in chosen.items()}
    if not proof.refused:
        lost = np.max([of_domain[-1] - of_domain for of_domain in truth.values()], axis=0)
        is_false = bool(lost[np.argmin(np.abs(setting.rates - proof.rate))] > MARGIN)
        values |= {"proven below 1": proof.rate < 1, "falsely proven": proof.rate < 1 and is_false}
    return values


def chosen_rates(search: Search, curves: tuple, proof: Proof) -> dict[str, int]:
    """Rule -> row of the rate that it chooses, of those that choose; and the row with the best test AUC."""
    points, _ = evidence(with_scores(search.table, "val"), curves, proof, MEASURES["auc"])
    picks = {name: rule.pick(points, Options().values).row for name, rule in RULES.items()}
    chosen = {name: row for name, row in picks.items() if row is not None}
    return chosen | {"best test point": int(search.table["test_in_domain"].to_numpy().argmax())}


def interval_coverage(search: Search, domain: str, name: str, chosen: dict[str, int]) -> dict[str, float]:
    """Whether intervals of test AUCs, and of their differences to full sampling, hold the truth."""
    test = [of_rate(search, keys, "test", domain) for keys in search.table["keys"]]
    mean = search.true_auc[domain].mean(axis=1)
    covered = inside([interval(at_rate) for at_rate in test], mean)
    values = {f"interval {name}": covered.mean()}
    if search.table["full"].iloc[-1]:
        gaps = [interval(at_rate - test[-1]) for at_rate in test[:-1]]
        values[f"difference {name}"] = inside(gaps, mean[:-1] - mean[-1]).mean()
    for rule in ("epsilon", "best test point"):
        values[f"interval {name}, chosen by {rule}"] = covered[chosen[rule]]
    return values


def prove_only(setting: Setting, rng: np.random.Generator, margin: float = MARGIN) -> dict[str, float]:
    """One replicate of the proof alone."""
    search = simulate(setting, rng)
    patients, vendor = dict(zip(VENDOR, setting.val)), VENDOR["in_domain"]
    if setting.drawn:
        curves = vendor_curves(search.trials, search.draws, vendor, "val")
        proof = noninferior_curve(curves, search.table, search.draws, patients, vendor, margin)
    else:
        proof = noninferior(search.table, search.draws, patients, vendor, margin)
    lost = []
    for domain in VENDOR:
        at_proven, at_full = getattr(setting, domain)(np.array([proof.rate, 1.0]))
        lost.append(at_full - at_proven)
    return {
        "proven below 1": proof.rate < 1,
        "rate": proof.rate,
        "falsely proven": max(lost) > margin,
        "resolvable": proof.resolvable,
        "patients needed": max(proof.patients_needed.values()),
        "seeds needed": proof.seeds_needed,
    }


def check_needed(replicates: int, margin: float = 0.05, patients: int = 36) -> None:
    """Are the patients and seeds enough that a proof asks for? Read them off small searches, then run larger ones."""
    pilot = Setting(flat, flat, np.array([0.5, 1.0]), 3, (patients,) * 2, (8, 8))
    small = pd.DataFrame([prove_only(pilot, np.random.default_rng([1, n]), margin) for n in range(replicates)])
    size = math.ceil(small["patients needed"].median())
    seeds = math.ceil(small["seeds needed"].median())
    large = pilot._replace(val=(size,) * 2, seeds=seeds)
    proven = [prove_only(large, np.random.default_rng([2, n]), margin)["proven below 1"] for n in range(replicates)]
    print(
        f"needed for {margin:g}, read off {patients} patients: {size} patients, {seeds} seeds; with those "
        f"{100 * np.mean(proven):.1f} % of equal rates are proven (meant: at least 80 %)",
        flush=True,
    )


def of_rate(search: Search, keys: list[str], split: str, domain: str) -> Resampled:
    """A rate's AUC, its seeds averaged."""
    return average([search.draws[key][split, VENDOR[domain]] for key in keys])


def inside(ends: list[Interval], truth: np.ndarray) -> np.ndarray:
    """(n,) bool: the truth lies within."""
    low, high = np.array(ends).T
    return (low <= truth) & (truth <= high)


def replicate(
    once: Callable[[Setting, np.random.Generator], dict[str, float]], setting: Setting, name: str, replicates: int
) -> pd.DataFrame:
    """One row for each replicate; the same numbers on every machine."""
    seed = sum(map(ord, name))
    return pd.DataFrame([once(setting, np.random.default_rng([seed, number])) for number in range(replicates)])


def print_study(name: str, values: pd.DataFrame, seconds: float) -> None:
    """Coverages, then a line for each rule."""
    print(f"\n### {name}: {len(values)} replicates, {seconds:.0f} s\n", flush=True)
    for column in values:
        if column.startswith(("interval", "difference", "curve", "proven", "falsely")):
            print(f"{column}: {100 * values[column].mean():.1f} %")
    for rule in [*RULES, "best test point"]:
        if f"{rule}: rate" in values:
            rate = values[f"{rule}: rate"]
            lost = ", ".join(f"{d} {values[f'{rule}: {d} lost'].mean():.4f}" for d in ("in-domain", "cross-domain"))
            low, high = rate.quantile([0.05, 0.95])
            print(f"{rule}: lost {lost}; rate median {rate.median():.3f}, 5 to 95 %: {low:.3f} to {high:.3f}")


def print_proof(name: str, values: pd.DataFrame) -> None:
    """One line."""
    print(
        f"proof, {name}: proven {100 * values['proven below 1'].mean():.1f} %, "
        f"median rate {values['rate'].median():.3f}, falsely {100 * values['falsely proven'].mean():.1f} %; "
        f"resolvable {values['resolvable'].median():.3f}, needed {values['patients needed'].median():.0f} patients",
        flush=True,
    )


def main() -> None:
    """Print every setting."""
    every_setting = [*SETTINGS, *PROOFS]
    arguments = parser(__doc__)
    arguments.add_argument("--replicates", type=int, default=400)
    arguments.add_argument("--only", nargs="+", choices=every_setting, default=every_setting, metavar="SETTING")
    args = arguments.parse_args()
    begin = time.perf_counter()
    for name in args.only:
        start = time.perf_counter()
        if name in SETTINGS:
            values = replicate(study, SETTINGS[name], name, args.replicates)
            print_study(name, values, time.perf_counter() - start)
        else:
            print_proof(name, replicate(prove_only, PROOFS[name], name, args.replicates))
    if args.only == every_setting:
        check_needed(args.replicates)
    print(f"\n{time.perf_counter() - begin:.0f} s in all")


if __name__ == "__main__":
    main()
