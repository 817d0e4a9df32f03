"""Are the intervals as wide as they say, and do the rules choose well? The tool itself, on cohorts with known truth.

    OMP_NUM_THREADS=1 nice -n 15 python benchmarks/calibration.py [REPLICATES] [--only SETTING ...]

Each replicate draws a search: patients, images, trainings, their scores; the project's own code then computes
intervals, curves, choices and proofs from them. Truth: smooth curves like those of the real patches (docs/results.md)
or of the source study's Table 1, from which each training lies 0.08 logits away (there: 0.07 to 0.1). Scores correlate
as the real ones do: of their variance 0.25 is the patient's (0.10 of it a contrast of its own), 0.55 the image's, 0.075
drifts with the log rate (patient and image), 0.125 is the training's.
Coverage of 90 % intervals, goal 85 to 95 %: fixed rates and chosen ones apart. Regret: AUC below the best rate's.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri

from analysis.choice.noninferior import MARGIN, noninferior, noninferior_curve
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

DRAWS, TRAINING_SD = 300, 0.08
PATIENT, CONTRAST, IMAGE, DRIFT_PATIENT, DRIFT_IMAGE, TRAINING = 0.15, 0.40, 0.55, 0.025, 0.05, 0.125
VENDOR = {"in_domain": "GE", "cross_domain": "SIEMENS"}
PATCH_RATES = np.array([1, 2, 4, 8, 16, 32, 64]) / 64
TABLE_RATES = np.array([38, 62, 91, 127, 154, 170, 182, 206, 227, 256]) / 256


class Setting(NamedTuple):
    """One kind of search."""

    in_domain: Callable[[np.ndarray], np.ndarray]  # rates -> true AUC
    cross_domain: Callable[[np.ndarray], np.ndarray]
    rates: np.ndarray
    seeds: int
    val: tuple[int, int]  # patients in-domain, cross-domain
    test: tuple[int, int]
    images: int = 13  # a patient
    drawn: bool = False  # rates drawn by a sampler: the proof is that of the fitted curve


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
    """Every rate is just worse than the margin allows: each proof is a false one."""
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
GRID, DRAWN = np.array([0.125, 0.5, 1.0]), np.unique(np.round(np.geomspace(4 / 64, 1, 24) * 64) / 64)
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

    table: pd.DataFrame  # one row a rate, as analysis.configurations makes them
    trials: pd.DataFrame  # one row a training
    draws: dict[str, dict[tuple[str, str], Resampled]]
    own: dict[str, np.ndarray]  # domain -> (R, S) true AUC of each training


def simulate(setting: Setting, rng: np.random.Generator) -> Search:
    """Draw a search: what a run folder would hold."""
    size = len(setting.rates)
    keys = [[f"{rate:.4f} {seed}" for seed in range(setting.seeds)] for rate in setting.rates]
    draws: dict = {key: {} for row in keys for key in row}
    own = {}
    for place, domain in enumerate(VENDOR):
        truth = getattr(setting, domain)(setting.rates)
        own[domain] = expit(logit(truth)[:, None] + rng.normal(0, TRAINING_SD, (size, setting.seeds)))
        for split in ("val", "test"):
            found = scored(setting, own[domain], getattr(setting, split)[place], rng)
            for (row, seed), value in found.items():
                draws[keys[row][seed]][split, VENDOR[domain]] = value
    rows = [
        {"key": key, "realised_rate": rate, "configuration": f"{rate:.4f}"}
        | {f"{s}_{d}": draws[key][s, VENDOR[d]].point for s in ("val", "test") for d in VENDOR}
        for rate, row in zip(setting.rates, keys)
        for key in row
    ]
    trials = pd.DataFrame(rows)
    groups = trials.groupby("configuration", sort=False)
    scores = [f"{s}_{d}" for s in ("val", "test") for d in VENDOR]
    table = groups[["realised_rate", *scores]].mean().join(groups[scores].std(ddof=1).add_suffix("_sd")).reset_index()
    facts = {"seeds": setting.seeds, "keys": keys, "sampling_rate": setting.rates, "full": setting.rates == 1}
    return Search(table.assign(**facts), trials, draws, own)


def scored(
    setting: Setting, own: np.ndarray, patients: int, rng: np.random.Generator
) -> dict[tuple[int, int], Resampled]:
    """(R, S) true AUCs -> their scores on new patients, resampled; every training meets the same patients."""
    count = rng.integers(setting.images - 5, setting.images + 6, patients)  # of images: varies
    patient = np.repeat(np.arange(patients), count)
    label = rng.integers(0, 2, len(patient))
    label[:2] = 0, 1
    shared = rng.normal(0, math.sqrt(PATIENT), patients)[patient] + rng.normal(0, math.sqrt(IMAGE), len(patient))
    shared += rng.normal(0, math.sqrt(CONTRAST), patients)[patient] * (label - 0.5)
    drift = rng.normal(0, math.sqrt(DRIFT_PATIENT), patients)[patient]
    drift += rng.normal(0, math.sqrt(DRIFT_IMAGE), len(patient))
    octave = np.log2(setting.rates)
    octave = (octave - octave.mean()) / octave.std()
    weights = patient_weights(patients, DRAWS, "calibration")
    found = {}
    for (row, seed), auc in np.ndenumerate(own):
        score = shared + octave[row] * drift + rng.normal(0, math.sqrt(TRAINING), len(patient))
        spread = 2 * (PATIENT + CONTRAST / 4 + IMAGE + TRAINING + octave[row] ** 2 * (DRIFT_PATIENT + DRIFT_IMAGE))
        score += math.sqrt(spread) * ndtri(auc) * label  # the AUC of images of different patients
        found[row, seed] = resampled_auc(win_matrix(label, score, patient, np.arange(patients)), weights)
    return found


def study(setting: Setting, rng: np.random.Generator) -> dict[str, float]:
    """One replicate: name -> covered (0 to 1), regret, chosen rate, proven or not."""
    search = simulate(setting, rng)
    truth = {domain: getattr(setting, domain)(setting.rates) for domain in VENDOR}
    curves = vendor_curves(search.trials, search.draws, VENDOR["in_domain"], "val")
    patients = dict(zip(VENDOR, setting.val))
    proof = noninferior(search.table, search.draws, patients, VENDOR["in_domain"])
    points, _ = evidence(with_scores(search.table, "val"), curves, proof, MEASURES["auc"])
    picks = {name: rule.pick(points, Options().values).row for name, rule in RULES.items()}
    chosen = {name: row for name, row in picks.items() if row is not None}
    chosen["best test point"] = int(search.table["test_in_domain"].to_numpy().argmax())
    found: dict[str, float] = {}
    for domain, curve in zip(VENDOR, curves):
        name = domain.replace("_", "-")
        test = [of_rate(search, keys, "test", domain) for keys in search.table["keys"]]
        mean = search.own[domain].mean(axis=1)
        covered = inside([interval(one) for one in test], mean)
        found[f"interval {name}"] = covered.mean()
        if setting.rates[-1] == 1:
            gaps = [interval(one - test[-1]) for one in test[:-1]]
            found[f"difference {name}"] = inside(gaps, mean[:-1] - mean[-1]).mean()
        for rule in ("epsilon", "best test point"):
            found[f"interval {name}, chosen by {rule}"] = covered[chosen[rule]]
        if curve is not None:
            at = np.searchsorted(curve.rates, setting.rates)
            band = (curve.low[at] <= truth[domain]) & (truth[domain] <= curve.high[at])
            found[f"curve {name}"] = band.mean()
            found[f"curve {name}, chosen by epsilon"] = band[chosen["epsilon"]]
        for rule, row in chosen.items():
            found[f"{rule}: {name} lost"] = truth[domain].max() - truth[domain][row]
    found |= {f"{rule}: rate": setting.rates[row] for rule, row in chosen.items()}
    if not proof.refused:
        worse = np.max([t[-1] - t for t in truth.values()], axis=0) > MARGIN
        found["proven below 1"] = proof.rate < 1
        found["falsely proven"] = proof.rate < 1 and bool(worse[np.argmin(np.abs(setting.rates - proof.rate))])
    return found


def prove_only(setting: Setting, rng: np.random.Generator, margin: float = MARGIN) -> dict[str, float]:
    """One replicate of the test alone."""
    search = simulate(setting, rng)
    patients, vendor = dict(zip(VENDOR, setting.val)), VENDOR["in_domain"]
    if setting.drawn:
        curves = vendor_curves(search.trials, search.draws, vendor, "val")
        proof = noninferior_curve(curves, search.table, search.draws, patients, vendor, margin)
    else:
        proof = noninferior(search.table, search.draws, patients, vendor, margin)
    ends = np.array([proof.rate, 1.0])
    lost = max(np.subtract(*getattr(setting, domain)(ends)[::-1]) for domain in VENDOR)
    return {
        "proven below 1": proof.rate < 1,
        "rate": proof.rate,
        "falsely proven": lost > margin,
        "resolvable": proof.resolvable,
        "patients needed": max(proof.patients_needed.values()),
        "seeds needed": proof.seeds_needed,
    }


def check_needed(replicates: int, margin: float = 0.05, patients: int = 36) -> None:
    """Is what the tool says is needed enough? Read it off small searches, then run searches of that size."""
    pilot = Setting(flat, flat, np.array([0.5, 1.0]), 3, (patients,) * 2, (8, 8))
    found = pd.DataFrame([prove_only(pilot, np.random.default_rng([1, n]), margin) for n in range(replicates)])
    size, seeds = (math.ceil(found[f"{what} needed"].median()) for what in ("patients", "seeds"))
    whole = pilot._replace(val=(size,) * 2, seeds=seeds)
    proven = [prove_only(whole, np.random.default_rng([2, n]), margin)["proven below 1"] for n in range(replicates)]
    print(f"needed for {margin:g}, read off {patients} patients: {size} patients, {seeds} seeds; with those ", end="")
    print(f"{100 * np.mean(proven):.1f} % of equal rates are proven (meant: at least 80 %)", flush=True)


def of_rate(search: Search, keys: list[str], split: str, domain: str) -> Resampled:
    """A rate's AUC, its seeds averaged."""
    return average([search.draws[key][split, VENDOR[domain]] for key in keys])


def inside(ends: list[Interval], truth: np.ndarray) -> np.ndarray:
    """(n,) bool: the truth lies within."""
    low, high = np.array(ends).T
    return (low <= truth) & (truth <= high)


def replicate(
    one: Callable[[Setting, np.random.Generator], dict[str, float]], setting: Setting, name: str, replicates: int
) -> pd.DataFrame:
    """One row a replicate; the same numbers on every machine."""
    seed = sum(map(ord, name))
    return pd.DataFrame([one(setting, np.random.default_rng([seed, number])) for number in range(replicates)])


def print_study(name: str, found: pd.DataFrame, seconds: float) -> None:
    """Coverages, then a line a rule."""
    print(f"\n### {name}: {len(found)} replicates, {seconds:.0f} s\n", flush=True)
    for column in (c for c in found if c.startswith(("interval", "difference", "curve", "proven", "falsely"))):
        print(f"{column}: {100 * found[column].mean():.1f} %")
    for rule in [*RULES, "best test point"]:
        if f"{rule}: rate" in found:
            rate = found[f"{rule}: rate"]
            lost = ", ".join(f"{d} {found[f'{rule}: {d} lost'].mean():.4f}" for d in ("in-domain", "cross-domain"))
            low, high = rate.quantile([0.05, 0.95])
            print(f"{rule}: lost {lost}; rate median {rate.median():.3f}, 5 to 95 %: {low:.3f} to {high:.3f}")


def main() -> None:
    """Print every setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replicates", type=int, nargs="?", default=400)
    parser.add_argument("--only", nargs="+", choices=[*SETTINGS, *PROOFS], default=[*SETTINGS, *PROOFS])
    given = parser.parse_args()
    begin = time.perf_counter()
    for name in given.only:
        start = time.perf_counter()
        if name in SETTINGS:
            found = replicate(study, SETTINGS[name], name, given.replicates)
            print_study(name, found, time.perf_counter() - start)
        else:
            found = replicate(prove_only, PROOFS[name], name, given.replicates)
            print(f"proof, {name}: proven {100 * found['proven below 1'].mean():.1f} %, ", end="")
            print(f"median rate {found['rate'].median():.3f}, ", end="")
            print(f"falsely {100 * found['falsely proven'].mean():.1f} %; resolvable ", end="")
            print(
                f"{found['resolvable'].median():.3f}, needed {found['patients needed'].median():.0f} patients",
                flush=True,
            )
    if given.only == [*SETTINGS, *PROOFS]:
        check_needed(given.replicates)
    print(f"\n{time.perf_counter() - begin:.0f} s in all")


if __name__ == "__main__":
    main()
