"""Does early stopping pay? Hypervolume against epochs spent, with each scheduler and without, on the phantom.

    python -m benchmarks.early_stopping --data phantom/version-2 --out curves       about 15 minutes on two cores

Every trial is trained to its last epoch once, with both validation AUCs after each epoch. ``--out`` keeps these curves,
so a second call takes seconds. What a scheduler would have done is then exact, because a stopped training is the
beginning of the whole one, and it can be repeated over many orders of the trials. Two searches are replayed: the grid
of the space ``quick``, shortened to ``--epochs``, and as many random draws of rate, learning rates and dropout, with
the learned mask.

Columns: epochs spent; the hypervolume that is reached (validation in-domain and cross-domain AUC; then with the rate as
a third objective); and "same epochs", the hypervolume of a search without a scheduler that ends after as many epochs.
All in per cent of the whole search; means over vendors and orders; +- is the standard deviation over orders. Stopping
pays where "reached" is above "same epochs".
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from analysis.statistics.pareto import THREE, TWO, hypervolume
from benchmarks.recorded import NO_WORK, prepare, record_all, replay
from benchmarks.tools import parser, print_heads, print_row
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

SEARCHES = ("grid", "random draws")
GRACES = (0.25, 0.5)
HEADS = ["scheduler", "grace", "epochs", "reached, 2", "same epochs, 2", "reached, 3", "same epochs, 3"]
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
    configs = []
    for number in range(draws * len(vendors)):
        drawn = {
            "sampling_rate": int(rng.integers(1, 65)) / 64,
            "lr": float(10 ** rng.uniform(-4.5, -2)),
            "mask_lr_multiplier": float(10 ** rng.uniform(0, 2)),
            "dropout": float(rng.uniform(0, 0.8)),
        }
        values = {**grid[0].non_default(), **drawn, "vendor": vendors[number % len(vendors)], "epochs": epochs}
        configs.append(TrialConfig.from_dict(values))
    return configs


def outcome(records: list[TrialRecord], asked: dict[str, Any]) -> tuple[list[TrialRecord], int]:
    """The trials that are trained to their end when they run in this order, and the epochs that all trials took."""
    config = records[0].config
    block = {"sampling_rate": 1.0, "epochs": config.epochs, "settle": config.settle}
    space = Space("", "", [block], SEARCH_DEFAULTS | asked)
    searcher = JobSearcher(Plan([[record.config] for record in records], 0, 0, 0), space, RunFolder(""), [], NO_WORK)
    table = {record.config.key(): record for record in records}
    ended = list(replay(searcher, EarlyStopping(space), lambda config: table[config.key()]))
    return [trial.record for trial in ended if trial.whole], ended[-1].spent


def volume(records: list[TrialRecord], objectives: tuple[str, ...]) -> float:
    """Hypervolume of finished trials, the mean over vendors."""
    by_vendor: dict[str, list[list[float]]] = {}
    for record in records:
        values = list(objectives_of(record).values())
        by_vendor.setdefault(record.config.vendor, []).append(values[: len(objectives)])
    volumes = [hypervolume(np.array(points), objectives) for _, points in sorted(by_vendor.items())]
    return float(np.mean(volumes)) if volumes else 0.0


def compare(records: list[TrialRecord], orders: int, grace: float) -> list[list[str]]:
    """One row for each scheduler."""
    whole = {objectives: volume(records, objectives) for objectives in (TWO, THREE)}
    total = sum(len(record.history) for record in records)
    rows = []
    for name, asked in SCHEDULERS.items():
        shares = []
        for order in range(orders):
            shuffled = [records[index] for index in generator(order, "order").permutation(len(records))]
            finished, spent = outcome(shuffled, {**asked, "grace": grace})
            same_epochs = shuffled[: spent // len(records[0].history)]
            share = [spent / total]
            for objectives in (TWO, THREE):
                share.append(volume(finished, objectives) / whole[objectives])
                share.append(volume(same_epochs, objectives) / whole[objectives])
            shares.append(share)
        means, deviations = 100 * np.mean(shares, axis=0), 100 * np.std(shares, axis=0)
        cells = [f"{mean:.0f} +- {deviation:.0f}" for mean, deviation in zip(means, deviations)]
        rows.append([name, f"{grace:g}", *cells])
    return rows


def main() -> None:
    """Train the trials that are missing, then print a table for each search."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="the phantom that run_search.py wrote")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the trained curves")
    arguments.add_argument("--epochs", type=int, default=24)
    arguments.add_argument("--draws", type=int, default=24, help="random draws for each vendor")
    arguments.add_argument("--orders", type=int, default=100)
    arguments.add_argument("--workers", type=int, default=2)
    args = arguments.parse_args()
    folder = RunFolder(args.out)
    images = prepare(args.data, 64, folder)
    vendors = sorted(read_table(folder.cohort_csv)["vendor"].unique())
    for search in SEARCHES:
        configs = configs_of(search, vendors, args.epochs, args.draws)
        if not configs:
            continue
        records = record_all(configs, folder, images, args.workers)
        print(f"\n{search}: {len(records)} trials of {args.epochs} epochs, {args.orders} orders\n")
        print_heads(HEADS)
        for grace in GRACES:
            for row in compare(records, args.orders, grace):
                print_row(row)


if __name__ == "__main__":
    main()
