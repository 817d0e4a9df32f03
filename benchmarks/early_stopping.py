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
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from analysis.pareto import THREE, TWO, hypervolume
from tune_ks.data.cohort import CohortSettings, open_cohort, with_splits, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.plan import config_at
from tune_ks.record import TrialConfig
from tune_ks.schedulers import EarlyStopping
from tune_ks.seeding import generator
from tune_ks.space import SEARCH_DEFAULTS, Space, load_space
from tune_ks.train import train

SLOTS = 2
SCHEDULERS = {
    "asha": {"scheduler": "asha"},
    "median": {"scheduler": "median"},
    "pareto_halving": {"scheduler": "pareto_halving"},
    "pareto_halving, the rate too": {
        "scheduler": "pareto_halving",
        "objectives": ["val_in_domain", "val_cross_domain", "realised_rate"],
    },
}


class Job(NamedTuple):
    """What Ray's schedulers and ours read of a trial."""

    trial_id: str
    config: dict[str, Any]


class Curve(NamedTuple):
    """One whole training: its lines, and what its record would say."""

    config: TrialConfig
    history: list[dict[str, float]]

    def values(self) -> tuple[float, float, float]:
        """In-domain and cross-domain AUC of the epoch that would be exported, and the rate."""
        settled = self.history[self.config.first_settled_epoch() - 1 :]
        best = max(settled, key=lambda line: line["val_in_domain"])
        return best["val_in_domain"], best["val_cross_domain"], self.config.sampling_rate


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


def train_whole(config: TrialConfig, cohort_csv: Path, images: Path, out: Path) -> None:
    """One training with both AUCs after each epoch, into ``out``; nothing where it is there already."""
    path = out / f"{config.key()}.json"
    if path.exists():
        return
    splits = open_splits(cohort_csv, images, config.vendor)
    *_, last = train(config, splits, cross_domain_at=range(1, config.epochs + 1))
    path.write_text(json.dumps({"config": config.non_default(), "history": last.state["history"]}))


def replay(curves: list[Curve], asked: dict[str, Any]) -> tuple[list[Curve], int]:
    """The trainings that end when ``SLOTS`` of them run at once in this order, and the epochs that all of them took."""
    block = {"sampling_rate": 1.0, "epochs": curves[0].config.epochs, "settle": curves[0].config.settle}
    scheduler = EarlyStopping(Space("", "", [block], SEARCH_DEFAULTS | asked))
    waiting, running, finished, spent = list(curves[::-1]), [], [], 0
    while waiting or running:
        while waiting and len(running) < SLOTS:
            running.append((waiting.pop(), 0))
        going = []
        for curve, epoch in running:
            spent += 1
            job = Job(curve.config.key(), {"jobs": [[curve.config.non_default()]]})
            if scheduler.on_trial_result(None, job, {"job": 0, **curve.history[epoch]}) == "STOP":
                continue
            if epoch + 1 == len(curve.history):
                finished.append(curve)
            else:
                going.append((curve, epoch + 1))
        running = going
    return finished, spent


def volume(curves: list[Curve], objectives: tuple[str, ...]) -> float:
    """Hypervolume of finished trainings, the mean over vendors."""
    vendors = sorted({curve.config.vendor for curve in curves})
    found = []
    for vendor in vendors:
        values = np.array([curve.values() for curve in curves if curve.config.vendor == vendor])
        found.append(hypervolume(values[:, : len(objectives)], objectives))
    return float(np.mean(found)) if found else 0.0


def compare(curves: list[Curve], orders: int, grace: float) -> list[list[str]]:
    """One line a scheduler."""
    whole = {objectives: volume(curves, objectives) for objectives in (TWO, THREE)}
    total = sum(len(curve.history) for curve in curves)
    lines = []
    for name, asked in SCHEDULERS.items():
        rows = []
        for order in range(orders):
            shuffled = [curves[index] for index in generator(order, "order").permutation(len(curves))]
            finished, spent = replay(shuffled, {**asked, "grace": grace})
            same = shuffled[: spent // len(curves[0].history)]
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
    args.out.mkdir(parents=True, exist_ok=True)
    cohort = open_cohort(args.data, CohortSettings(series="post_1"), 64, args.out / "cache")
    cohort_csv = args.out / "cohort.csv"
    write_table(cohort_csv, with_splits(cohort.table, 0))
    vendors = sorted(cohort.table["vendor"].unique())
    asked = {search: configs_of(search, vendors, args.epochs, args.draws) for search in ("grid", "random draws")}
    with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as pool:
        jobs = [
            pool.submit(train_whole, config, cohort_csv, cohort.images, args.out)
            for configs in asked.values()
            for config in configs
        ]
        for job in jobs:
            job.result()
    for search, configs in asked.items():
        if not configs:
            continue
        curves = []
        for config in configs:
            values = json.loads((args.out / f"{config.key()}.json").read_text())
            curves.append(Curve(config, values["history"]))
        print(f"\n{search}: {len(curves)} trials of {args.epochs} epochs, {args.orders} orders\n")
        print("| scheduler | grace | epochs | reached, 2 | same epochs, 2 | reached, 3 | same epochs, 3 |")
        print("|---|---|---|---|---|---|---|")
        for grace in (0.25, 0.5):
            for line in compare(curves, args.orders, grace):
                print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
