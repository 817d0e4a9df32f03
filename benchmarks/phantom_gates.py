"""Is the phantom sound at full sampling? Its gates with intervals, and the share of each switch in the vendor gap.

    python -m benchmarks.phantom_gates                    about 20 minutes on two cores
    python -m benchmarks.phantom_gates --no-ablation      the gates and the gap with all switches on, about 3 minutes

Gates: a network can tell the vendors apart (AUC > 0.95); the slice position says nothing about the label (0.45 to
0.55); the in-domain AUC lies in 0.80 to 0.95 and above every one-number baseline of the same test images. The ablation
shows in-domain and cross-domain AUC with all switches on, with each switch off alone, and with all off. Everything is
at rate 1: the generator's constants were fixed before any masked training, and nothing here speaks for k-sampling.

Numbers are means over phantom seeds and splits by patient. Intervals are 95 % percentiles of a bootstrap of patients
within each phantom, with the same patients for everything that is compared.
"""

import argparse
import dataclasses
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch

from benchmarks import phantoms
from benchmarks.alone import finish, train_to_end
from benchmarks.phantom_scores import BASELINES, VENDORS, Trained
from benchmarks.phantom_tables import print_ablation, print_gates
from benchmarks.tools import parser
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.table import split_patients, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.data.phantom.scanner import SWITCHES
from tune_ks.data.phantom.write import PhantomSettings, write_phantom


class Phantom(NamedTuple):
    """One phantom to write and to train on."""

    settings: PhantomSettings
    off: tuple[str, ...]
    vendor_classifier: bool  # also train a network that tells the vendors apart


def run_phantom(phantom: Phantom, args: argparse.Namespace) -> list[Trained]:
    """Write one phantom, read it with the project's reader, train on each vendor and split, and delete it."""
    torch.set_num_threads(1)
    settings = dataclasses.replace(phantom.settings, **dict.fromkeys(phantom.off, False))
    results = []
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        place = Path(folder)
        root = write_phantom(place / "phantom", settings, workers=1)
        cohort = phantoms.read(root, place / "cache", args.series, args.image_size)
        position = {}
        for vendor, images in cohort.table.groupby("vendor", sort=True):
            position[vendor] = auc(images["label"], images["position"])
        for split_seed in range(args.splits):
            table = cohort.table.assign(split=split_patients(cohort.table, split_seed))
            ask_vendor = phantom.vendor_classifier and split_seed == 0
            for task, source, rows in trainings_of(table, ask_vendor):
                csv = place / f"{task}-{source}-{split_seed}.csv"
                write_table(csv, rows)
                test = test_scores(csv, cohort, rows, source, split_seed, args)
                results.append(Trained(settings.seed, phantom.off, task, source, split_seed, test, position))
    return results


def trainings_of(table: pd.DataFrame, ask_vendor: bool) -> list[tuple[str, str, pd.DataFrame]]:
    """(task, vendor trained on, table) of each training on one split."""
    trainings = [("tumour", source, table) for source in VENDORS]
    if ask_vendor:
        # the same trainer, asked for the vendor: one vendor for all rows, the true one as the label
        is_siemens = (table["vendor"] == "SIEMENS").astype(int)
        trainings.append(("vendor", "GE", table.assign(label=is_siemens, vendor="GE")))
    return trainings


def test_scores(
    csv: Path, cohort: Cohort, table: pd.DataFrame, source: str, seed: int, args: argparse.Namespace
) -> pd.DataFrame:
    """Train at full sampling on ``source``; one row for each test image of every vendor."""
    config = TrialConfig(
        vendor=source,
        sampling_rate=1.0,
        mask="lowpass",
        width=args.width,
        image_size=args.image_size,
        epochs=args.epochs,
        lr=args.lr,
        augment="flips",
        seed=seed,
    )
    splits = open_splits(csv, cohort.images, source)
    outcome = finish(config, splits, train_to_end(config, splits))
    table = table.set_index("row")
    parts = []
    for vendor, score in outcome.scores["test"].items():
        images = table.loc[splits.test[vendor].rows.numpy(), ["vendor", "patient_id", "label", *BASELINES]]
        parts.append(images.assign(score=score))
    return pd.concat(parts)


def parse() -> argparse.Namespace:
    """The command line."""
    arguments = parser(__doc__)
    default = PhantomSettings()
    arguments.add_argument("--patients", type=int, default=default.patients, help="per vendor")
    arguments.add_argument("--slices", type=int, default=default.slices, help="a patient, half of them positive")
    arguments.add_argument("--matrix", type=int, default=default.matrix, help="stored pixels a side")
    arguments.add_argument("--phantom-seeds", type=int, default=3)
    arguments.add_argument("--splits", type=int, default=3, help="splits by patient for each phantom")
    arguments.add_argument("--series", default="post_1", choices=("pre", "post_1"))
    arguments.add_argument("--image-size", type=int, default=64)
    arguments.add_argument("--width", type=float, default=0.125)
    arguments.add_argument("--epochs", type=int, default=40)
    arguments.add_argument("--lr", type=float, default=1e-3)
    arguments.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    arguments.add_argument("--no-ablation", action="store_true")
    arguments.add_argument("--scratch", type=Path, help="where phantoms are written and removed; 150 MB a process")
    arguments.add_argument("--json", type=Path, help="write every printed number there too")
    return arguments.parse_args()


def phantoms_of(args: argparse.Namespace) -> list[Phantom]:
    """Every set of switches with every phantom seed."""
    switched_off: list[tuple[str, ...]] = [()]
    if not args.no_ablation:
        switched_off += [(name,) for name in SWITCHES]
        switched_off.append(tuple(SWITCHES))
    phantoms = []
    for off, seed in product(switched_off, range(args.phantom_seeds)):
        settings = PhantomSettings(seed, patients=args.patients, slices=args.slices, matrix=args.matrix)
        phantoms.append(Phantom(settings, off, vendor_classifier=not off))
    return phantoms


def main() -> None:
    """Run every phantom, each in a process, and print the numbers; write them where asked."""
    args = parse()
    start = time.monotonic()
    trained: list[Trained] = []
    with ProcessPoolExecutor(args.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(run_phantom, phantom, args) for phantom in phantoms_of(args)]
        for done, job in enumerate(as_completed(jobs), start=1):
            trained += job.result()
            print(f"phantom {done} of {len(jobs)}, {time.monotonic() - start:.0f} s", flush=True)
    trained.sort(key=lambda t: (t.off, t.task, t.source, t.phantom_seed, t.split_seed))
    numbers = {"gates": print_gates(trained), "ablation": print_ablation(trained)}
    print(f"\n{len(trained)} trainings, {(time.monotonic() - start) / 60:.1f} minutes")
    if args.json:
        options = {name: str(value) for name, value in vars(args).items()}
        args.json.write_text(json.dumps({"options": options, **numbers}, indent=1))


if __name__ == "__main__":
    main()
