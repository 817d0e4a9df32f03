"""Are the intervals as wide as they say, and do the rules choose well? The analysis on cohorts with known truth.

    nice -n 15 python -m benchmarks.calibration [--runs 100] [--only SETTING ...]

Each run draws what a search would leave behind: patients, images, trainings and their scores. The analysis then
computes intervals, curves, choices and proofs from them. The true curves are smooth, like those of the real patches
(docs/results.md) or of the source study's Table 1; each training lies 0.08 logits away from them (there: 0.07 to 0.1).
benchmarks/simulated_search.py says how the scores correlate.

The truth is that of a rate: the mean over all trainings that one could make, on all patients. It is not the metric of
the trainings that happened, which an interval over patients alone would be of.

Printed: a table of the coverage of 90 % intervals (goal: 85 to 95 %), for all rates and for the chosen one; a table of
regret, the AUC that a choice has less than the best rate; and a table of the proofs, of which at most 5 % may be false.
"drawn" rates are a sampler's: evenly spread, or chosen by Optuna's TPE on the validation scores of the same patients.
"epochs": every training keeps the epoch whose in-domain validation AUC, an endpoint of the proof, is the best. All
epochs are equally good in truth and half of a training's own noise changes from epoch to epoch, so that what is gained
is luck alone; "below 1 only" is what no search does: at full sampling the last epoch is kept.
"""

import math
import time
from collections.abc import Callable

import numpy as np
import optuna
import pandas as pd

from analysis.choice.noninferior import MARGIN, Proof, Question, noninferior, noninferior_curve
from analysis.choice.options import Options
from analysis.choice.rules import RULES
from analysis.choice.selection import evidence, with_scores
from analysis.statistics.fitted import Fitted, fit_vendor
from analysis.statistics.intervals import metric_intervals
from analysis.statistics.measures import MEASURES
from benchmarks.simulated_search import VENDOR, Setting, simulate
from benchmarks.tools import parser, print_heads, print_row
from benchmarks.true_curves import (
    PATCH_RATES,
    TABLE_RATES,
    at_margin,
    flat,
    jump,
    kink,
    patches_cross,
    patches_in,
    rising,
    sloped,
    table_cross,
    table_in,
)

PATCHES = (patches_in, patches_cross, PATCH_RATES)
TABLE = (table_in, table_cross, TABLE_RATES)
FLAT = (flat, flat, PATCH_RATES)
SETTINGS = {
    "equal rates, three seeds": Setting(*FLAT, 3, (36, 57), (36, 15)),
    "equal rates, one seed": Setting(*FLAT, 1, (36, 57), (36, 15)),
    "equal rates, three seeds, 100 patients": Setting(*FLAT, 3, (100, 100), (100, 100)),
    "equal rates, one seed, 100 patients": Setting(*FLAT, 1, (100, 100), (100, 100)),
    "patches, GE": Setting(*PATCHES, 3, (36, 57), (36, 15)),
    "patches, SIEMENS": Setting(*PATCHES, 3, (15, 145), (15, 36)),
    "patches, GE, one seed": Setting(*PATCHES, 1, (36, 57), (36, 15)),
    "patches, 8 patients": Setting(*PATCHES, 3, (8, 8), (8, 8)),
    "patches, 100 patients": Setting(*PATCHES, 3, (100, 100), (100, 100)),
    "Table 1": Setting(*TABLE, 3, (126, 235), (126, 59), 6),  # a fifth of Duke's 628 and 294 patients
    "Table 1, one seed": Setting(*TABLE, 1, (126, 235), (126, 59), 6),
}
GRID = np.array([0.125, 0.5, 1.0])
DRAWN = np.r_[np.arange(4, 64), 64] / 64
TRUTHS = {
    "jump": jump,
    "kink": kink,
    "flat": flat,
    "rising": rising,
    "worse by the margin": at_margin,
    "sloped": sloped,
}
PATIENTS = (36, 100)
PROOFS = {
    f"{sampler or 'grid'}, {name}, {patients} patients": Setting(
        truth, flat, DRAWN if sampler else GRID, 1 if sampler else 3, (patients,) * 2, (8, 8), sampler=sampler
    )
    for sampler in ("", "spread", "tpe")
    for name, truth in TRUTHS.items()
    for patients in PATIENTS
}
EPOCHS = {"epochs": (30, 30), "epochs below 1 only": (30, 1)}
PROOFS |= {
    f"{kind}, {name}, {patients} patients": PROOFS[f"grid, {name}, {patients} patients"]._replace(epochs=epochs)
    for kind, epochs in EPOCHS.items()
    for name in ("jump", "worse by the margin", "flat")
    for patients in PATIENTS
}


def study(setting: Setting, rng: np.random.Generator) -> dict[str, float]:
    """One run: name -> covered (0 to 1), worse (0 to 1), regret, chosen rate."""
    search = simulate(setting, rng)
    table = search.table.merge(metric_intervals(search.table, search.draws), on="configuration")
    rates = table["realised_rate"].to_numpy(float)
    truth = {domain: getattr(setting, domain)(rates) for domain in VENDOR}
    fitted = fit_vendor(table, search.trials, search.draws, VENDOR["in_domain"], "val")
    question = Question(VENDOR["in_domain"], MARGIN, dict(zip(VENDOR, setting.val)))
    proof = noninferior(table, search.draws, question)
    chosen = chosen_rates(table, fitted, proof)
    values: dict[str, float] = {}
    for domain in VENDOR:
        values |= coverage(table, truth[domain], domain, chosen["epsilon"])
        curve = getattr(fitted.curves["gumbel"], domain)
        below = rates < 1
        at = np.searchsorted(curve.rates, rates[below])
        band = (curve.low[at] <= truth[domain][below]) & (truth[domain][below] <= curve.high[at])
        values[f"curve, {domain}"] = band.mean()
        for rule, row in chosen.items():
            values[f"{rule}: {domain} lost"] = truth[domain].max() - truth[domain][row]
    values |= {f"{rule}: rate": rates[row] for rule, row in chosen.items()}
    return values


def coverage(table: pd.DataFrame, truth: np.ndarray, domain: str, chosen: int) -> dict[str, float]:
    """Whether the intervals of test AUCs, and of their differences to full sampling, hold the truth of the rates."""
    full = table["full"].to_numpy(bool)
    of_auc = inside(table, f"test_{domain}", truth)
    apart = inside(table, f"difference_{domain}", truth - truth[full])
    values = {
        f"AUC, {domain}": of_auc.mean(),
        f"difference, {domain}": apart[~full].mean(),
        f"AUC of the choice, {domain}": of_auc[chosen],
    }
    equal = ~full & (truth == truth[full])
    if equal.any():
        high = table[f"difference_{domain}_high"].to_numpy(float)
        values[f"falsely worse, {domain}"] = (high[equal] < 0).mean()
    if not full[chosen]:
        values[f"difference of the choice, {domain}"] = apart[chosen]
    return values


def inside(table: pd.DataFrame, name: str, truth: np.ndarray) -> np.ndarray:
    """(n,) bool: the truth lies within the interval of a column."""
    low = table[f"{name}_low"].to_numpy(float)
    high = table[f"{name}_high"].to_numpy(float)
    return (low <= truth) & (truth <= high)


def chosen_rates(table: pd.DataFrame, fitted: Fitted, proof: Proof) -> dict[str, int]:
    """Rule -> row of the rate that it chooses, of those that choose; and the row with the best test AUC."""
    points, _ = evidence(with_scores(table, "val"), fitted, proof, MEASURES["auc"])
    picks = {name: rule.pick(points, Options().values).row for name, rule in RULES.items()}
    chosen = {name: row for name, row in picks.items() if row is not None}
    return chosen | {"best test point": int(table["test_in_domain"].to_numpy().argmax())}


def prove_only(setting: Setting, rng: np.random.Generator, margin: float = MARGIN) -> dict[str, float]:
    """One run of the proof alone."""
    search = simulate(setting, rng)
    vendor = VENDOR["in_domain"]
    question = Question(vendor, margin, dict(zip(VENDOR, setting.val)))
    if setting.sampler:
        fitted = fit_vendor(search.table, search.trials, search.draws, vendor, "val")
        proof = noninferior_curve(fitted.curves.get("gumbel"), search.table, search.draws, question)
    else:
        proof = noninferior(search.table, search.draws, question)
    lost = [0.0]
    for domain in VENDOR if not proof.refused else ():
        at_proven, at_full = getattr(setting, domain)(np.array([proof.rate, 1.0]))
        lost.append(at_full - at_proven)
    return {
        "proven below 1": proof.rate < 1,
        "rate": proof.rate,
        "falsely proven": max(lost) > margin,
        "resolvable": proof.resolvable,
        "patients needed": max(proof.patients_needed.values(), default=math.nan),
        "seeds needed": proof.seeds_needed,
    }


def check_needed(runs: int, margin: float = 0.05, patients: int = 36) -> None:
    """Are the patients and seeds enough that a proof asks for? Read them off small searches, then run larger ones."""
    pilot = Setting(flat, flat, np.array([0.5, 1.0]), 3, (patients,) * 2, (8, 8))
    small = pd.DataFrame([prove_only(pilot, np.random.default_rng([1, n]), margin) for n in range(runs)])
    size = math.ceil(small["patients needed"].median())
    seeds = math.ceil(small["seeds needed"].median())
    large = pilot._replace(val=(size,) * 2, seeds=seeds)
    proven = [prove_only(large, np.random.default_rng([2, n]), margin)["proven below 1"] for n in range(runs)]
    print(
        f"\nneeded for {margin:g}, read off {patients} patients: {size} patients, {seeds} seeds; with those "
        f"{100 * np.mean(proven):.1f} % of equal rates are proven (meant: at least 80 %)",
        flush=True,
    )


def replicate(
    once: Callable[[Setting, np.random.Generator], dict[str, float]], setting: Setting, name: str, runs: int
) -> pd.DataFrame:
    """One row for each run; the same numbers on every machine."""
    seed = sum(map(ord, name))
    return pd.DataFrame([once(setting, np.random.default_rng([seed, number])) for number in range(runs)])


COVERED = ("AUC", "difference", "AUC of the choice", "difference of the choice", "curve", "falsely worse")


def coverage_row(name: str, values: pd.DataFrame) -> list[str]:
    """Per cent, in-domain / cross-domain."""
    return [name, *(" / ".join(_per_cent(values, f"{what}, {domain}") for domain in VENDOR) for what in COVERED)]


def _per_cent(values: pd.DataFrame, name: str) -> str:
    return f"{100 * values[name].mean():.0f}" if name in values else "-"


def regret_rows(name: str, values: pd.DataFrame) -> list[list[str]]:
    """One for each rule: the AUC lost in-domain / cross-domain, and the rates chosen."""
    rows = []
    for rule in [*RULES, "best test point"]:
        if f"{rule}: rate" in values:
            rate = values[f"{rule}: rate"]
            lost = " / ".join(f"{values[f'{rule}: {domain} lost'].mean():.4f}" for domain in VENDOR)
            low, high = rate.quantile([0.05, 0.95])
            rows.append([name, rule, lost, f"{rate.median():.3f} ({low:.3f} to {high:.3f})"])
    return rows


def proof_row(name: str, values: pd.DataFrame) -> list[str]:
    """Per cent proven and falsely proven, and what it would take."""
    return [
        name,
        f"{100 * values['proven below 1'].mean():.0f}",
        f"{100 * values['falsely proven'].mean():.0f}",
        f"{values['rate'].median():.3f}",
        f"{values['resolvable'].median():.3f}",
        f"{values['patients needed'].median():.0f}",
    ]


def main() -> None:
    """Print the three tables."""
    every_setting = [*SETTINGS, *PROOFS]
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=100)
    arguments.add_argument("--only", nargs="+", choices=every_setting, default=every_setting, metavar="SETTING")
    args = arguments.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    begin = time.process_time()
    regrets = []
    if set(args.only) & set(SETTINGS):
        print(f"Coverage of nominal 90 % in per cent, in-domain / cross-domain, {args.runs} runs each\n")
        print_heads(["setting", *COVERED])
    for name in [name for name in args.only if name in SETTINGS]:
        values = replicate(study, SETTINGS[name], name, args.runs)
        print_row(coverage_row(name, values))
        regrets += regret_rows(name, values)
    if regrets:
        print("\nAUC lost against the best rate, in-domain / cross-domain\n")
        print_heads(["setting", "rule", "lost", "median rate (5 to 95 %)"])
    for row in regrets:
        print_row(row)
    proofs = [name for name in args.only if name in PROOFS]
    if proofs:
        print(f"\nProofs of a loss of at most {MARGIN:g}, {args.runs} runs each\n")
        print_heads(["setting", "proven below 1, %", "falsely, %", "median rate", "resolvable", "patients needed"])
    for name in proofs:
        print_row(proof_row(name, replicate(prove_only, PROOFS[name], name, args.runs)))
    if args.only == every_setting:
        check_needed(args.runs)
    print(f"\n{time.process_time() - begin:.0f} s of CPU in all")


if __name__ == "__main__":
    main()
