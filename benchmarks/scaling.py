"""What does a search cost as the number of its trials grows? Tiny trials, so that nearly all the time is overhead.

    python -m benchmarks.scaling --trials 100 500 2000

Each number of trials is measured in a child process, so that its memory is that of one search. Times are wall-clock; a
trial is two epochs of the smallest network on 16 images. ``--one-fit`` runs all trials in one fit of Ray, as Ray would
by itself.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from ray import tune

from analysis.read.load import load
from benchmarks.recorded import NO_WORK
from benchmarks.tools import answer, measure_in_child, parser, print_measurements, timed
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search import search
from tune_ks.search.schedulers import early_stopping
from tune_ks.search.searcher import JobSearcher

SIDE = 64
VENDORS = ["GE", "SIEMENS"]
SPLITS = ("train", "train", "train", "train", "val", "test")  # of a vendor's six patients
FIELDS = {
    "vendor": "GE",
    "mask": "lowpass",
    "sampling_rate": 1.0,
    "width": 0.05,
    "image_size": SIDE,
    "epochs": 2,
    "settle": 0.5,
    "batch_size": 24,
}


def main() -> None:
    """Print one row for each number of trials."""
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, nargs="+", default=[100, 500, 2000])
    arguments.add_argument("--one-fit", action="store_true", help="all trials in one fit of Ray")
    arguments.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # the child's side
    args = arguments.parse_args()
    if args.measure:
        answer(measure(args.trials[0], args.one_fit))
        return
    shared = ["--measure", *["--one-fit"] * args.one_fit]
    print_measurements(args.trials, lambda trials: measure_in_child("benchmarks.scaling", "--trials", trials, *shared))


def measure(trials: int, one_fit: bool) -> dict[str, float]:
    """Run ``trials`` of them in this process, and then what a resume and an analysis do with the run folder."""
    if one_fit:
        search.FIT_TRIALS = trials
    rates = [float(rate) for rate in np.geomspace(1e-4, 1e-2, trials)]
    space = Space("scaling", "", [{**FIELDS, "lr": rates}], dict(SEARCH_DEFAULTS))
    with tempfile.TemporaryDirectory(prefix="tune_ks_scaling_") as scratch:
        folder = RunFolder(scratch)
        images = write_cohort(folder.root)
        memory_before = resident_mib()
        slots, seconds = run(space, folder, images)
        memory_after = resident_mib()
        records = list(folder.records())
        if len(records) != trials:
            raise RuntimeError(f"{len(records)} of {trials} trials finished: {list(folder.failures().values())[:3]}")
        files = [path for path in folder.root.joinpath("trials").rglob("*") if path.is_file()]
        trials_in_a_fit = max(search.FIT_TRIALS, search.FIT_WAVES * slots)
        return {
            "trials": trials,
            "fits": -(-trials // trials_in_a_fit),
            "minutes": seconds.wall / 60,
            "s a trial and slot": seconds.wall * slots / trials,
            "of it training": float(np.mean([record.seconds for record in records])),
            "driver CPU ms a trial": seconds.cpu * 1000 / trials,
            "driver MiB before": memory_before,
            "driver MiB after": memory_after,
            "run folder MiB": sum(path.stat().st_size for path in files) / 2**20,
            "files a trial": len(files) / trials,
            **resume_seconds(space, folder),
            "analysis s": timed(load, folder.root).wall,
        }


class Seconds(NamedTuple):
    """Of the driver: on the clock, and of its CPU without that of other processes."""

    wall: float
    cpu: float


def run(space: Space, folder: RunFolder, images: Path) -> tuple[int, Seconds]:
    """Run the search; the number of trials at once, and the driver's seconds."""
    plan = plan_search(space, folder, VENDORS)
    started = time.monotonic()
    cpu = time.process_time()
    with search.connected(None):
        slots = search.slots_in_cluster(search.Resources())[1]
        search.run_search(space, folder, {SIDE: images}, VENDORS, plan, search.Resources(), lambda event: None)
    return slots, Seconds(time.monotonic() - started, time.process_time() - cpu)


def write_cohort(folder: Path) -> Path:
    """cohort.csv and 48 images of noise: six patients for each vendor, with both labels each. Returns the images."""
    rng = np.random.default_rng(0)
    lines = []
    for vendor in VENDORS:
        for patient, split in enumerate(SPLITS):
            for number in range(4):
                line = dict.fromkeys(COLUMNS)
                line |= {"row": len(lines), "path": f"{vendor}{patient}/{number}.dcm", "split": split}
                line |= {"vendor": vendor, "patient_id": f"{vendor}_{patient}", "series": "pre", "slice": number}
                line |= {"label": number % 2, "width": SIDE, "height": SIDE}
                lines.append(line)
    pd.DataFrame(lines).to_csv(folder / "cohort.csv", index=False)
    np.save(folder / "images.npy", rng.random((len(lines), SIDE, SIDE), dtype=np.float32))
    return folder / "images.npy"


def resume_seconds(space: Space, folder: RunFolder) -> dict[str, float]:
    """What starting again reads: the plan; Optuna's study of the same records; the rungs of a scheduler."""
    blocks = [{**space.blocks[0], "lr": tune.loguniform(1e-4, 1e-2)}]
    drawn = space._replace(blocks=blocks, search=space.search | {"sampler": "tpe", "samples": 10**6})
    stopping = space._replace(search=space.search | {"scheduler": "pareto_halving"})
    plan = plan_search(space, folder, VENDORS)
    return {
        "plan s": timed(plan_search, space, folder, VENDORS).wall,
        "study s": timed(JobSearcher, plan, drawn, folder, VENDORS, NO_WORK).wall,
        "rungs s": timed(early_stopping, stopping, folder).wall,
    }


def resident_mib() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
