"""The constrained search against unconstrained ones: how good is the best cross-domain metric within an in-domain loss?

``benchmarks.search_efficiency --constrained`` prints it. All methods are judged alike: of the trials that have ended,
the best cross-domain validation metric whose in-domain metric is not below full sampling's by more than ``LOSS``, where
full sampling is the best training at rate 1 of the whole table. The table's own answer is what can be reached.
"""

import json
import math
import tempfile
from itertools import takewhile
from unittest import mock

import numpy as np

from benchmarks.recorded import NO_WORK, Ended, replay
from benchmarks.tools import print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import generator
from tune_ks.core.storage import write_whole
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import Space
from tune_ks.search import searcher

LOSS = 0.02
CROSS = {"objectives": ["val_cross_domain"]}
METHODS = {
    "random": {"sampler": "random", **CROSS},
    "tpe, both AUCs": {"sampler": "tpe", "objectives": ["val_in_domain", "val_cross_domain"]},
    "tpe, cross-domain alone": {"sampler": "tpe", **CROSS},
    "tpe, constrained": {"sampler": "tpe", **CROSS, "in_domain_loss": LOSS},
}
NOISE = 0.005  # of a simulated AUC: SD over trainings, and again over the patients of a split


def searcher_of(space: Space, seed: int) -> searcher.JobSearcher:
    """The searcher of a search that has no trial yet and begins with full sampling, as every search does."""
    vendors = [space.blocks[0]["vendor"]]
    with tempfile.TemporaryDirectory() as empty, mock.patch.object(searcher, "SEED", seed):
        folder = RunFolder(empty)
        starts = {"start_points": [{"sampling_rate": 1.0, "why": "full sampling"}]}
        write_whole(folder.search_json, json.dumps(starts).encode())
        return searcher.JobSearcher(plan_search(space, folder, vendors), space, folder, vendors, NO_WORK)


def best(records: list[TrialRecord], full: float) -> TrialRecord | None:
    """The record with the best cross-domain validation metric that keeps the in-domain one; None where none does."""
    kept = [record for record in records if record.in_domain("val") >= full - LOSS]
    return max(kept, key=lambda record: record.cross_domain("val")) if kept else None


def full_sampling(records: list[TrialRecord]) -> float:
    """The best in-domain validation metric of the trainings at rate 1."""
    return max(record.in_domain("val") for record in records if record.config.is_full)


def below_the_best(ended: list[Ended], budgets: np.ndarray, table: list[TrialRecord]) -> np.ndarray:
    """(budgets, 2): how far the answer's cross-domain AUC lies below the table's, validation and test; NaN: none."""
    full = full_sampling(table)
    reachable = best(table, full)
    rows = []
    for budget in budgets:
        answer = best([trial.record for trial in ended if trial.whole and trial.spent <= budget], full)
        if answer is None:
            rows.append((math.nan, math.nan))
        else:
            rows.append([reachable.cross_domain(split) - answer.cross_domain(split) for split in ("val", "test")])
    return np.array(rows)


def play(space: Space, tables: list[dict[str, TrialRecord]], budgets: np.ndarray) -> np.ndarray:
    """(searches, budgets, 2) as ``below_the_best``; a search for each table (key of a config -> its record)."""
    below = []
    for seed, table in enumerate(tables):
        ended = replay(searcher_of(space, seed), None, lambda config, table=table: table[config.key()])
        within = list(takewhile(lambda trial: trial.spent <= budgets[-1], ended))
        below.append(below_the_best(within, budgets, list(table.values())))
    return np.array(below)


def print_tables(below: dict[str, np.ndarray], budgets: list[int]) -> None:
    """Validation, then test: a row for each method, a column for each budget."""
    for side, split in enumerate(("validation", "test")):
        print(f"\nBest cross-domain AUC that loses at most {LOSS:g} in-domain: AUC below the table's, {split}:\n")
        print_heads(["search", *(f"{budget} epochs" for budget in budgets)])
        for method, of_method in below.items():
            print_row([method, *(_cell(of_method[:, at, side]) for at in range(len(budgets)))])


def _cell(below: np.ndarray) -> str:
    """Mean and its standard error, and in how many searches no trial kept the in-domain AUC."""
    known = below[~np.isnan(below)]
    if len(known) < 2:
        return f"none in {len(below) - len(known)}"
    none = f", none in {len(below) - len(known)}" if len(known) < len(below) else ""
    return f"{known.mean():.4f} +- {known.std(ddof=1) / math.sqrt(len(known)):.4f}{none}"


def simulated(configs: list[TrialConfig]) -> list[TrialRecord]:
    """Made-up trainings: in-domain rises with the rate and levels off, cross-domain falls; both have a best lr.

    Validation and test differ by noise of the training and of the patients. What a config is worth does not depend on
    who asks, so that the searches can be replayed.
    """
    records = []
    for config in configs:
        random = generator(config.seed, "simulated", config.key("seed"))
        off = 0.03 * abs(math.log10(config.lr) + 3) + 0.01 * abs(math.log10(config.mask_lr_multiplier) - 1)
        in_domain = 0.90 - 0.20 * 2 ** (-8 * config.sampling_rate) - off
        cross_domain = 0.75 - 0.10 * config.sampling_rate - 0.5 * off
        moved = random.normal(0, NOISE, 2)
        splits = []
        for _ in range(2):
            of_split = moved + random.normal(0, NOISE, 2)
            splits.append({config.vendor: in_domain + of_split[0], "OTHER": cross_domain + of_split[1]})
        history = [{"epoch": epoch, "loss": 0.5} for epoch in range(1, config.epochs + 1)]
        records.append(TrialRecord(config, *splits, config.sampling_rate, history=history))
    return records


def simulated_table(configs: dict[str, list[TrialConfig]]) -> dict[str, list[TrialRecord]]:
    """Key of a configuration at seed 0 -> the records of all its seeds."""
    return {key: simulated(seeds) for key, seeds in configs.items()}
