"""What a search costs as its trials grow in number: tiny trials, so that all the time is Ray's and ours.

    python benchmarks/scaling.py 100 500 2000

One process a line, so that its memory is of that search alone. Times are wall-clock on this machine; a trial is two
epochs of the smallest network on 16 images. ``--one-fit`` runs all trials in one fit, as Ray would by itself.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from recorded import NO_WORK

from analysis.read.load import load
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search import search
from tune_ks.search.schedulers import early_stopping
from tune_ks.search.searcher import JobSearcher

SIDE, VENDORS = 64, ["GE", "SIEMENS"]
FIELDS = {"vendor": "GE", "mask": "lowpass", "sampling_rate": 1.0, "width": 0.05, "image_size": SIDE, "epochs": 2}
SETTLE = {"settle": 0.5, "batch_size": 24}


def write_cohort(folder: Path) -> Path:
    """cohort.csv and 48 images of noise: six patients a vendor, four of them to train, with both labels each."""
    rng = np.random.default_rng(0)
    lines = []
    for vendor in VENDORS:
        for patient, split in enumerate(("train", "train", "train", "train", "val", "test")):
            for number in range(4):
                named = {"path": f"{vendor}{patient}/{number}.dcm", "patient_id": f"{vendor}_{patient}", "split": split}
                facts = {"row": len(lines), "vendor": vendor, "series": "pre", "label": number % 2, "slice": number}
                lines.append({**dict.fromkeys(COLUMNS), **named, **facts, "width": SIDE, "height": SIDE})
    pd.DataFrame(lines).to_csv(folder / "cohort.csv", index=False)
    np.save(folder / "images.npy", rng.random((len(lines), SIDE, SIDE), dtype=np.float32))
    return folder / "images.npy"


def measure(trials: int, one_fit: bool) -> dict[str, float]:
    """Run ``trials`` of them in this process, and then what a resume and an analysis do with the run folder."""
    if one_fit:
        search.FIT_TRIALS = trials
    rates = [float(rate) for rate in np.geomspace(1e-4, 1e-2, trials)]
    space = Space("scaling", "", [{**FIELDS, **SETTLE, "lr": rates}], dict(SEARCH_DEFAULTS))
    with tempfile.TemporaryDirectory(prefix="tune_ks_scaling_") as scratch:
        folder = RunFolder(scratch)
        images = write_cohort(folder.root)
        plan = plan_search(space, folder, VENDORS)
        started, busy, before = time.monotonic(), time.process_time(), resident_mib()
        with search.connected(None):
            slots = search.slots_in_cluster(search.Resources())[1]
            search.run_search(space, folder, {SIDE: images}, VENDORS, plan, search.Resources(), lambda event: None)
        seconds, driver = time.monotonic() - started, time.process_time() - busy
        records = list(folder.records())
        if len(records) != trials:
            raise RuntimeError(f"{len(records)} of {trials} trials finished: {list(folder.failures().values())[:3]}")
        files = [path for path in folder.root.joinpath("trials").rglob("*") if path.is_file()]
        return {
            "trials": trials,
            "fits": -(-trials // max(search.FIT_TRIALS, search.FIT_WAVES * slots)),
            "minutes": seconds / 60,
            "s a trial and slot": seconds * slots / trials,
            "of it training": float(np.mean([record.seconds for record in records])),
            "driver CPU ms a trial": driver * 1000 / trials,
            "driver MiB before": before,
            "driver MiB after": resident_mib(),
            "run folder MiB": sum(path.stat().st_size for path in files) / 2**20,
            "files a trial": len(files) / trials,
            **resume_seconds(space, folder),
            "analysis s": timed(lambda: load(folder.root)),
        }


def resume_seconds(space: Space, folder: RunFolder) -> dict[str, float]:
    """What starting again reads: the plan; Optuna's study of the same records; the rungs of a scheduler."""
    from ray import tune

    blocks = [{**space.blocks[0], "lr": tune.loguniform(1e-4, 1e-2)}]
    drawn = space._replace(blocks=blocks, search=space.search | {"sampler": "tpe", "samples": 10**6})
    stopping = space._replace(search=space.search | {"scheduler": "pareto_halving"})
    plan = plan_search(space, folder, VENDORS)
    return {
        "plan s": timed(lambda: plan_search(space, folder, VENDORS)),
        "study s": timed(lambda: JobSearcher(plan, drawn, folder, VENDORS, NO_WORK)),
        "rungs s": timed(lambda: early_stopping(stopping, folder)),
    }


def timed(action: object) -> float:
    """Seconds that one call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def resident_mib() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Print one line of Markdown a number of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="+")
    parser.add_argument("--one-fit", action="store_true", help="all trials in one fit of Ray")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # the child's side
    args = parser.parse_args()
    if args.measure:
        print("measured:" + json.dumps(measure(args.trials[0], args.one_fit)))
        return
    for number, trials in enumerate(args.trials):
        words = [sys.executable, __file__, str(trials), "--measure", *(["--one-fit"] if args.one_fit else [])]
        child = subprocess.run(words, capture_output=True, text=True)
        lines = [line for line in child.stdout.splitlines() if line.startswith("measured:")]
        if child.returncode or not lines:
            sys.exit(f"{trials} trials: {child.stderr[-2000:]}")
        found = json.loads(lines[0].removeprefix("measured:"))
        if not number:
            print("| " + " | ".join(found) + " |\n|" + "---|" * len(found))
        print("| " + " | ".join(f"{value:.3g}" for value in found.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
