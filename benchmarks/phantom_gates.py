"""Is the phantom sane at full sampling? Prints its gates with intervals, and the share of each switch in the gap.

    python benchmarks/phantom_gates.py                    about 20 minutes on two cores
    python benchmarks/phantom_gates.py --no-ablation      the gates and the gap with all switches on, about 3 minutes

Gates: a network tells the vendors apart on its own input (AUC > 0.95); the slice position tells nothing (0.45 to 0.55);
the in-domain AUC lies in 0.80 to 0.95 and above every one-number baseline of the same test images. The ablation shows
in-domain and cross-domain AUC with all switches on, each switch off alone, and all off. Rate 1 only: the generator's
constants are frozen before any masked training, and no number printed here speaks for k-sampling.

Numbers are means over phantom seeds and splits by patient; intervals are 95 % percentiles of a bootstrap of patients
within each phantom, the same patients for everything that is compared.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: one thread a process

import argparse
import dataclasses
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.scan import CohortSettings
from tune_ks.data.cohort.table import split_patients, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.data.phantom.scanner import SWITCHES
from tune_ks.data.phantom.write import PhantomSettings, write_phantom
from tune_ks.evaluation.finish import finish_trainings
from tune_ks.training.train import train

VENDORS = ("GE", "SIEMENS")
BASELINES = ("mean", "p75", "p90", "position")
DRAWS = 300  # of the bootstrap


class Phantom(NamedTuple):
    """One phantom to write and to train on."""

    settings: PhantomSettings
    off: tuple[str, ...]
    vendor_classifier: bool  # train that one too


class Trained(NamedTuple):
    """The test scores of one training."""

    phantom_seed: int
    off: tuple[str, ...]
    task: str  # tumour | vendor
    source: str
    split_seed: int
    test: pd.DataFrame  # vendor, patient_id, label, score and the baselines of each test image
    position: dict[str, float]  # vendor -> AUC of the slice position over all its images


def run_phantom(phantom: Phantom, options: argparse.Namespace) -> list[Trained]:
    """Write one phantom, read it with the project's reader, train on each vendor and each split, and forget it."""
    torch.set_num_threads(1)
    settings = dataclasses.replace(phantom.settings, **dict.fromkeys(phantom.off, False))
    found = []
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        root = write_phantom(Path(folder) / "phantom", settings, workers=1)
        reader = CohortSettings(series=options.series)
        cohort = open_cohort(root, reader, options.image_size, Path(folder) / "cache", workers=1)
        if len(cohort.skipped):
            raise RuntimeError(
                f"the reader skipped {len(cohort.skipped)} files of the phantom: {cohort.skipped.iloc[0]}"
            )
        position = {
            vendor: auc(part["label"], part["position"]) for vendor, part in cohort.table.groupby("vendor", sort=True)
        }
        for split_seed in range(options.splits):
            table = cohort.table.assign(split=split_patients(cohort.table, split_seed))
            tasks = [("tumour", source, table) for source in VENDORS]
            if phantom.vendor_classifier and split_seed == 0:
                # the same trainer, asked for the vendor: one vendor for all rows, the true one as the label
                as_label = table.assign(label=(table["vendor"] == "SIEMENS").astype(int), vendor="GE")
                tasks.append(("vendor", "GE", as_label))
            for task, source, rows in tasks:
                csv = Path(folder) / f"{task}-{source}-{split_seed}.csv"
                write_table(csv, rows)
                test = test_scores(csv, cohort.images, rows, source, split_seed, options)
                found.append(Trained(settings.seed, phantom.off, task, source, split_seed, test, position))
    return found


def test_scores(
    csv: Path, images: Path, table: pd.DataFrame, source: str, seed: int, options: argparse.Namespace
) -> pd.DataFrame:
    """Train at full sampling on ``source``; one row a test image of every vendor."""
    config = TrialConfig(
        vendor=source, sampling_rate=1.0, mask="lowpass", width=options.width, image_size=options.image_size,
        epochs=options.epochs, lr=options.lr, augment="flips", seed=seed,
    )  # fmt: skip
    splits = open_splits(csv, images, source)
    state = None
    for epoch in train(config, splits):
        state = epoch.state
    scores = finish_trainings([config], splits, [state])[0].scores["test"]
    table = table.set_index("row")
    return pd.concat([
        table.loc[splits.test[vendor].rows.numpy(), ["vendor", "patient_id", "label", *BASELINES]].assign(score=score)
        for vendor, score in scores.items()
    ])  # fmt: skip


AucOf = Callable[[Trained, str, str], float]  # training, tested vendor, column of its test table -> AUC
Interval = tuple[float, float, float]  # value, low, high


def estimate(trained: Sequence[Trained], statistic: Callable[[AucOf], float]) -> Interval:
    """``statistic`` of the AUCs of ``trained``, with its bootstrap interval over patients."""
    parts = {(id(one), vendor): part for one in trained for vendor, part in one.test.groupby("vendor")}
    columns = {key: {name: part[name].to_numpy() for name in part} for key, part in parts.items()}
    patients = {  # of all splits: one draw weighs a patient alike wherever it is tested
        seed: sorted({p for one in trained if one.phantom_seed == seed for p in one.test["patient_id"]})
        for seed in sorted({one.phantom_seed for one in trained})
    }

    def measure(times: dict[int, dict[str, int]] | None) -> float:
        def auc_of(one: Trained, vendor: str, column: str) -> float:
            part = columns[id(one), vendor]
            label, value = part["label"], part[column]
            if times is not None:
                drawn = times[one.phantom_seed]
                repeat = [drawn.get(patient, 0) for patient in part["patient_id"]]
                label, value = np.repeat(label, repeat), np.repeat(value, repeat)
            return auc(label, value)

        return statistic(auc_of)

    rng = np.random.default_rng(0)
    draws = []
    for _ in range(DRAWS):
        chosen = {
            seed: np.unique(rng.choice(names, len(names)), return_counts=True) for seed, names in patients.items()
        }
        draws.append(measure({seed: dict(zip(names.tolist(), n.tolist())) for seed, (names, n) in chosen.items()}))
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return measure(None), float(low), float(high)


def of(trained: Sequence[Trained], **wanted: object) -> list[Trained]:
    """The trainings whose fields have these values."""
    return [one for one in trained if all(getattr(one, name) == value for name, value in wanted.items())]


def mean_auc(auc_of: AucOf, trainings: Sequence[Trained], vendor: str, column: str = "score") -> float:
    """Mean over trainings of the AUC on one vendor's test images."""
    return float(np.mean([auc_of(one, vendor, column) for one in trainings]))


def print_gates(trained: Sequence[Trained]) -> dict[str, object]:
    """Print each gate with its value, and return them."""
    seeds = sorted({one.phantom_seed for one in trained})
    print(f"\nGates, {len(seeds)} phantom seeds")
    found = {}
    asked = of(trained, task="vendor", off=())
    value = estimate(asked, lambda auc_of: mean_auc(auc_of, asked, "GE"))
    found["vendor classifier"] = _gate("vendor classifier, AUC", value, value[0] > 0.95, "> 0.95")
    for vendor in VENDORS:
        found |= _gates_of(vendor, of(trained, task="tumour", off=(), source=vendor), seeds)
    return found


def _gates_of(vendor: str, ours: list[Trained], seeds: Sequence[int]) -> dict[str, object]:
    found = {}
    each = [of(ours, phantom_seed=seed)[0].position[vendor] for seed in seeds]
    value = (float(np.mean(each)), min(each), max(each))  # over all images, and its range over the phantoms
    met = 0.45 <= min(each) <= max(each) <= 0.55
    found[f"{vendor} position"] = _gate(f"{vendor}: slice position, AUC", value, met, "0.45 to 0.55")
    value = estimate(ours, lambda auc_of: mean_auc(auc_of, ours, vendor))
    met = 0.80 <= value[0] <= 0.95
    found[f"{vendor} in-domain"] = _gate(f"{vendor}: in-domain, AUC", value, met, "0.80 to 0.95")
    for seed in seeds:
        tested = [one.test[one.test["vendor"] == vendor] for one in of(ours, phantom_seed=seed)]
        print(f"{'':17s}phantom {seed}, by split: {' '.join(f'{auc(t.label, t.score):.3f}' for t in tested)}")
    for name in BASELINES:
        found[f"{vendor} above {name}"] = _above(vendor, ours, name)
    return found


def _above(vendor: str, ours: list[Trained], name: str) -> dict[str, object]:
    def baseline(auc_of: AucOf) -> float:
        value = mean_auc(auc_of, ours, vendor, name)
        return max(value, 1 - value)  # one number counts in both directions

    value = estimate(ours, lambda auc_of: mean_auc(auc_of, ours, vendor) - baseline(auc_of))
    alone = estimate(ours, baseline)[0]
    return _gate(f"{vendor}: in-domain above {name} ({alone:.3f})", value, value[1] > 0, "interval above 0")


def _gate(name: str, value: Interval, met: bool, wanted: str) -> dict[str, object]:
    print(f"  {'met    ' if met else 'NOT MET'}  {name:40s} {_text(value)}   wanted: {wanted}")
    return {"value": value, "met": bool(met)}


def print_ablation(trained: Sequence[Trained]) -> dict[str, object]:
    """Print in-domain, cross-domain and gap for every set of switches and both sources, and return them."""
    found: dict[str, object] = {}
    names = {
        (): "all switches on",
        **{(name,): f"{name} off" for name in SWITCHES},
        tuple(SWITCHES): "all switches off",
    }
    for source, other in zip(VENDORS, VENDORS[::-1]):
        print(f"\nTrained on {source}, tested on {source} (in-domain) and on {other} (cross-domain)")
        print("".join(f"{title:24s}" for title in ("", "in-domain", "cross-domain", "gap", "matched gap", "share")))
        for off, name in names.items():
            if not of(trained, off=off):
                continue
            row = _ablation_row(trained, off, source, other)
            found[f"{source}: {name}"] = row
            print(f"{name:24s}" + "".join(f"{_text(value):24s}" for value in row.values()))
    print("matched gap: AUC on the tested vendor of the network trained on it, minus that of this one.")
    print("share: matched gap with all switches on, minus this one; positive where the switch makes part of the gap.")
    return found


def _ablation_row(trained: Sequence[Trained], off: tuple[str, ...], source: str, other: str) -> dict[str, Interval]:
    ours, theirs = (of(trained, task="tumour", off=off, source=vendor) for vendor in (source, other))
    ours_on, theirs_on = (of(trained, task="tumour", off=(), source=vendor) for vendor in (source, other))

    def matched(auc_of: AucOf, own: list[Trained], foreign: list[Trained]) -> float:
        # on the same test images, so that it is free of one vendor being easier than the other
        return mean_auc(auc_of, own, other) - mean_auc(auc_of, foreign, other)

    return {
        "in": estimate(ours, lambda a: mean_auc(a, ours, source)),
        "cross": estimate(ours, lambda a: mean_auc(a, ours, other)),
        "gap": estimate(ours, lambda a: mean_auc(a, ours, source) - mean_auc(a, ours, other)),
        "matched_gap": estimate(ours + theirs, lambda a: matched(a, theirs, ours)),
        "share": estimate(
            [*ours, *theirs, *ours_on, *theirs_on],
            lambda a: matched(a, theirs_on, ours_on) - matched(a, theirs, ours),
        ),
    }


def _text(value: tuple[float, float, float]) -> str:
    return f"{value[0]:6.3f} ({value[1]:6.3f} {value[2]:6.3f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, run every phantom in two processes, print, and write the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = PhantomSettings()
    parser.add_argument("--patients", type=int, default=default.patients, help="per vendor")
    parser.add_argument("--slices", type=int, default=default.slices, help="a patient, half of them positive")
    parser.add_argument("--matrix", type=int, default=default.matrix, help="stored pixels a side")
    parser.add_argument("--phantom-seeds", type=int, default=3)
    parser.add_argument("--splits", type=int, default=3, help="splits by patient, and trainings, a phantom and vendor")
    parser.add_argument("--series", default="post_1", choices=("pre", "post_1"))
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--no-ablation", action="store_true")
    parser.add_argument("--scratch", type=Path, help="where phantoms are written and removed; 150 MB a process")
    parser.add_argument("--json", type=Path, help="write every printed number there too")
    options = parser.parse_args(arguments)
    conditions = [()] if options.no_ablation else [(), *((name,) for name in SWITCHES), tuple(SWITCHES)]
    phantoms = [
        Phantom(
            PhantomSettings(seed, patients=options.patients, slices=options.slices, matrix=options.matrix), off, not off
        )
        for off in conditions
        for seed in range(options.phantom_seeds)
    ]
    start, trained = time.monotonic(), []
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(run_phantom, phantom, options) for phantom in phantoms]
        for done, job in enumerate(as_completed(jobs), start=1):
            trained += job.result()
            print(f"phantom {done} of {len(jobs)}, {time.monotonic() - start:.0f} s", flush=True)
    trained.sort(key=lambda one: (one.off, one.task, one.source, one.phantom_seed, one.split_seed))
    found = {"gates": print_gates(trained), "ablation": print_ablation(trained)}
    print(f"\n{len(trained)} trainings, {(time.monotonic() - start) / 60:.1f} minutes")
    if options.json:
        told = {name: str(value) for name, value in vars(options).items()}
        options.json.write_text(json.dumps({"options": told, **found}, indent=1))


if __name__ == "__main__":
    main()
