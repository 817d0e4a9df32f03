"""Does early stopping pay? Hypervolume against epochs spent, with each scheduler and without, on the phantom.

    python benchmarks/early_stopping.py --data phantom/version-2 --out curves       about 15 minutes on two cores

Every trial is trained to its end once, with both validation AUCs after each epoch (``--out`` keeps them: the second
call is a matter of seconds). What a scheduler would have done is then exact and can be repeated over many orders of the
trials: a stopped training is the beginning of the whole one. Two searches: the grid of the space ``quick``, shortened
to ``--epochs``, and as many random draws of rate, learning rates and dropout, of the learned mask alone.

Columns: epochs spent, and hypervolume reached (val in-domain and cross-domain AUC; then with the rate as a third), in
per cent of the whole search; "same epochs" is the hypervolume of the whole search ended after as many epochs. Means
over vendors and orders; +- is the standard deviation over orders. Stopping pays where "reached" beats "same epochs".
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: one thread a process

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from recorded import NO_WORK, prepare, record_all, replay

from analysis.statistics.pareto import THREE, TWO, hypervolume
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import generator
from tune_ks.data.cohort.table import read_table
from tune_ks.planning.plan import Plan, config_at
from tune_ks.planning.space import SEARCH_DEFAULTS, Space, load_space
from tune_ks.search.schedulers import EarlyStopping
from tune_ks.search.searcher import JobSearcher
from tune_ks.worker.jobs import objectives_of

SCHEDULERS = {
    "asha": {"scheduler": "asha"},
    "median": {"scheduler": "median"},
    "pareto_halving": {"scheduler": "pareto_halving"},
    "pareto_halving, the rate too": {
        "scheduler": "pareto_halving",
        "objectives": ["val_in_domain", "val_cross_domain", "realised_rate"],
    },
}


def configs_of(search: str, vendors: list[str], epochs: int, draws: int) -> list[TrialConfig]:
    """The trials of one of the two searches."""
    space = load_space("quick")
    grid = [config_at(point, {}, 0) for point in space.grid(vendors)]
    if search == "grid":
        return [dataclasses.replace(config, epochs=epochs) for config in grid]
    rng = generator(0, "early stopping")
    found = []
    for number in range(draws * len(vendors)):
        drawn = {
            "sampling_rate": int(rng.integers(1, 65)) / 64,
            "lr": float(10 ** rng.uniform(-4.5, -2)),
            "mask_lr_multiplier": float(10 ** rng.uniform(0, 2)),
            "dropout": float(rng.uniform(0, 0.8)),
        }
        found.append(dataclasses.replace(grid[0], **drawn, vendor=vendors[number % len(vendors)], epochs=epochs))
    return found


def outcome(records: list[TrialRecord], asked: dict[str, Any]) -> tuple[list[TrialRecord], int]:
    """The trials that end when they run in this order, and the epochs that all of them took."""
    config = records[0].config
    block = {"sampling_rate": 1.0, "epochs": config.epochs, "settle": config.settle}
    space = Space("", "", [block], SEARCH_DEFAULTS | asked)
    searcher = JobSearcher(Plan([[record.config] for record in records], 0, 0, 0), space, RunFolder(""), [], NO_WORK)
    table = {record.config.key(): record for record in records}
    ended = list(replay(searcher, EarlyStopping(space), lambda config: table[config.key()]))
    return [one.record for one in ended if one.whole], ended[-1].spent


def volume(records: list[TrialRecord], objectives: tuple[str, ...]) -> float:
    """Hypervolume of finished trials, the mean over vendors."""
    vendors = sorted({record.config.vendor for record in records})
    found = []
    for vendor in vendors:
        values = [list(objectives_of(record).values()) for record in records if record.config.vendor == vendor]
        found.append(hypervolume(np.array(values)[:, : len(objectives)], objectives))
    return float(np.mean(found)) if found else 0.0


def compare(records: list[TrialRecord], orders: int, grace: float) -> list[list[str]]:
    """One line a scheduler."""
    whole = {objectives: volume(records, objectives) for objectives in (TWO, THREE)}
    total = sum(len(record.history) for record in records)
    lines = []
    for name, asked in SCHEDULERS.items():
        rows = []
        for order in range(orders):
            shuffled = [records[index] for index in generator(order, "order").permutation(len(records))]
            finished, spent = outcome(shuffled, {**asked, "grace": grace})
            same = shuffled[: spent // len(records[0].history)]
            row = [spent / total]
            for objectives in (TWO, THREE):
                row += [volume(some, objectives) / whole[objectives] for some in (finished, same)]
            rows.append([100 * value for value in row])
        mean, deviation = np.mean(rows, axis=0), np.std(rows, axis=0)
        lines.append([name, f"{grace:g}", *(f"{m:.0f} +- {d:.0f}" for m, d in zip(mean, deviation))])
    return lines


def main() -> None:
    """Train what is missing, then print a table of Markdown for each search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the phantom that run_search.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trained curves")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--draws", type=int, default=24, help="random draws a vendor")
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    folder = RunFolder(args.out)
    images = prepare(args.data, 64, folder)
    vendors = sorted(read_table(folder.cohort_csv)["vendor"].unique())
    for search in ("grid", "random draws"):
        configs = configs_of(search, vendors, args.epochs, args.draws)
        if not configs:
            continue
        records = record_all(configs, folder, images, args.workers)
        print(f"\n{search}: {len(records)} trials of {args.epochs} epochs, {args.orders} orders\n")
        print("| scheduler | grace | epochs | reached, 2 | same epochs, 2 | reached, 3 | same epochs, 3 |")
        print("|---|---|---|---|---|---|---|")
        for grace in (0.25, 0.5):
            for line in compare(records, args.orders, grace):
                print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
