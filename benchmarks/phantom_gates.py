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
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmarks import phantoms
from benchmarks.alone import finish, train_to_end
from benchmarks.tools import parser
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.table import split_patients, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.data.phantom.scanner import SWITCHES
from tune_ks.data.phantom.write import PhantomSettings, write_phantom

VENDORS = ("GE", "SIEMENS")
BASELINES = ("mean", "p75", "p90", "position")
DRAWS = 300  # of the bootstrap


class Phantom(NamedTuple):
    """One phantom to write and to train on."""

    settings: PhantomSettings
    off: tuple[str, ...]
    vendor_classifier: bool  # also train a network that tells the vendors apart


class Trained(NamedTuple):
    """The test scores of one training."""

    phantom_seed: int
    off: tuple[str, ...]
    task: str  # tumour | vendor
    source: str
    split_seed: int
    test: pd.DataFrame  # vendor, patient_id, label, score and the baselines of each test image
    position: dict[str, float]  # vendor -> AUC of the slice position over all its images


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


AucOf = Callable[[Trained, str, str], float]  # training, tested vendor, column of its test table -> AUC
Interval = tuple[float, float, float]  # value, low, high
Times = dict[int, dict[str, int]]  # phantom seed -> patient -> how often a bootstrap draws the patient


def estimate(trained: Sequence[Trained], statistic: Callable[[AucOf], float]) -> Interval:
    """``statistic`` of the AUCs of ``trained``, with its bootstrap interval over patients."""
    tests = {}
    for training in trained:
        for vendor, images in training.test.groupby("vendor"):
            tests[id(training), vendor] = {name: images[name].to_numpy() for name in images}

    def measure(times: Times | None) -> float:
        def auc_of(training: Trained, vendor: str, column: str) -> float:
            images = tests[id(training), vendor]
            if times is None:
                return auc(images["label"], images[column])
            drawn = times[training.phantom_seed]
            repeats = [drawn.get(patient, 0) for patient in images["patient_id"]]
            return auc(np.repeat(images["label"], repeats), np.repeat(images[column], repeats))

        return statistic(auc_of)

    patients = patients_of(trained)
    rng = np.random.default_rng(0)
    draws = [measure(draw_patients(patients, rng)) for _ in range(DRAWS)]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return measure(None), float(low), float(high)


def patients_of(trained: Sequence[Trained]) -> dict[int, list[str]]:
    """Phantom seed -> its test patients, of all splits: a draw weighs a patient alike wherever it is tested."""
    patients: dict[int, set[str]] = {}
    for training in trained:
        patients.setdefault(training.phantom_seed, set()).update(training.test["patient_id"])
    return {seed: sorted(patients[seed]) for seed in sorted(patients)}


def draw_patients(patients: dict[int, list[str]], rng: np.random.Generator) -> Times:
    """One bootstrap draw within each phantom."""
    times = {}
    for seed, names in patients.items():
        drawn, counts = np.unique(rng.choice(names, len(names)), return_counts=True)
        times[seed] = dict(zip(drawn.tolist(), counts.tolist()))
    return times


def of(trained: Sequence[Trained], **wanted: object) -> list[Trained]:
    """The trainings whose fields have these values."""
    return [training for training in trained if all(getattr(training, name) == value for name, value in wanted.items())]


def mean_auc(auc_of: AucOf, trainings: Sequence[Trained], vendor: str, column: str = "score") -> float:
    """Mean over trainings of the AUC on one vendor's test images."""
    return float(np.mean([auc_of(training, vendor, column) for training in trainings]))


def print_gates(trained: Sequence[Trained]) -> dict[str, object]:
    """Print each gate with its value, and return them."""
    seeds = sorted({training.phantom_seed for training in trained})
    print(f"\nGates, {len(seeds)} phantom seeds")
    classifiers = of(trained, task="vendor", off=())
    value = estimate(classifiers, lambda auc_of: mean_auc(auc_of, classifiers, "GE"))
    gates = {"vendor classifier": _gate("vendor classifier, AUC", value, value[0] > 0.95, "> 0.95")}
    for vendor in VENDORS:
        gates |= _gates_of(vendor, of(trained, task="tumour", off=(), source=vendor), seeds)
    return gates


def _gates_of(vendor: str, trainings: list[Trained], seeds: Sequence[int]) -> dict[str, object]:
    """The gates of one vendor; ``trainings`` are those on it."""
    gates = {}
    positions = [of(trainings, phantom_seed=seed)[0].position[vendor] for seed in seeds]
    lowest, highest = min(positions), max(positions)  # over the phantoms, each of all its images
    value = (float(np.mean(positions)), lowest, highest)
    met = lowest >= 0.45 and highest <= 0.55
    gates[f"{vendor} position"] = _gate(f"{vendor}: slice position, AUC", value, met, "0.45 to 0.55")
    value = estimate(trainings, lambda auc_of: mean_auc(auc_of, trainings, vendor))
    met = 0.80 <= value[0] <= 0.95
    gates[f"{vendor} in-domain"] = _gate(f"{vendor}: in-domain, AUC", value, met, "0.80 to 0.95")
    for seed in seeds:
        aucs = []
        for training in of(trainings, phantom_seed=seed):
            test = training.test[training.test["vendor"] == vendor]
            aucs.append(f"{auc(test['label'], test['score']):.3f}")
        print(f"{'':17s}phantom {seed}, by split: {' '.join(aucs)}")
    for name in BASELINES:
        gates[f"{vendor} above {name}"] = _above(vendor, trainings, name)
    return gates


def _above(vendor: str, trainings: list[Trained], name: str) -> dict[str, object]:
    def baseline(auc_of: AucOf) -> float:
        value = mean_auc(auc_of, trainings, vendor, name)
        return max(value, 1 - value)  # one number may count in either direction

    value = estimate(trainings, lambda auc_of: mean_auc(auc_of, trainings, vendor) - baseline(auc_of))
    alone = estimate(trainings, baseline)[0]
    return _gate(f"{vendor}: in-domain above {name} ({alone:.3f})", value, value[1] > 0, "interval above 0")


def _gate(name: str, value: Interval, met: bool, wanted: str) -> dict[str, object]:
    print(f"  {'met    ' if met else 'NOT MET'}  {name:40s} {_text(value)}   wanted: {wanted}")
    return {"value": value, "met": bool(met)}


def print_ablation(trained: Sequence[Trained]) -> dict[str, object]:
    """Print in-domain, cross-domain and gap for every set of switches and both sources, and return them."""
    names: dict[tuple[str, ...], str] = {(): "all switches on"}
    names |= {(name,): f"{name} off" for name in SWITCHES}
    names[tuple(SWITCHES)] = "all switches off"
    table: dict[str, object] = {}
    for source, other in (VENDORS, VENDORS[::-1]):
        print(f"\nTrained on {source}, tested on {source} (in-domain) and on {other} (cross-domain)")
        print("".join(f"{title:24s}" for title in ("", "in-domain", "cross-domain", "gap", "matched gap", "share")))
        for off, name in names.items():
            if not of(trained, off=off):
                continue
            row = _ablation_row(trained, off, source, other)
            table[f"{source}: {name}"] = row
            print(f"{name:24s}" + "".join(f"{_text(value):24s}" for value in row.values()))
    print("matched gap: AUC on the tested vendor of the network trained on it, minus that of this one.")
    print("share: matched gap with all switches on, minus this one; positive where the switch makes part of the gap.")
    return table


def _ablation_row(trained: Sequence[Trained], off: tuple[str, ...], source: str, other: str) -> dict[str, Interval]:
    of_source = of(trained, task="tumour", off=off, source=source)
    of_other = of(trained, task="tumour", off=off, source=other)
    of_source_on = of(trained, task="tumour", off=(), source=source)
    of_other_on = of(trained, task="tumour", off=(), source=other)

    def matched(auc_of: AucOf, native: list[Trained], foreign: list[Trained]) -> float:
        # on the same test images, so that it does not matter which vendor is easier
        return mean_auc(auc_of, native, other) - mean_auc(auc_of, foreign, other)

    return {
        "in": estimate(of_source, lambda a: mean_auc(a, of_source, source)),
        "cross": estimate(of_source, lambda a: mean_auc(a, of_source, other)),
        "gap": estimate(of_source, lambda a: mean_auc(a, of_source, source) - mean_auc(a, of_source, other)),
        "matched_gap": estimate(of_source + of_other, lambda a: matched(a, of_other, of_source)),
        "share": estimate(
            [*of_source, *of_other, *of_source_on, *of_other_on],
            lambda a: matched(a, of_other_on, of_source_on) - matched(a, of_other, of_source),
        ),
    }


def _text(value: tuple[float, float, float]) -> str:
    return f"{value[0]:6.3f} ({value[1]:6.3f} {value[2]:6.3f})"


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
