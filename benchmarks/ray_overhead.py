"""What Ray and the run folder add to a trial: the same very short trainings through run_search.py and without it.

    python benchmarks/ray_overhead.py [--trials 8 40] [--repeats 3]

Four ways, in turn, each a command of its own, timed from outside: one process that trains the configs one after
another; two processes, half of them each; two processes that also write a run folder (records, weights, scores); and
run_search.py with two trials at once. Of each way the seconds at two numbers of trials give what it costs to begin and
what one more trial costs: the slope, times two where two run at once, so seconds of one core. Medians over the repeats.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.scan import CohortSettings
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.phantom.write import PhantomSettings, write_phantom

ROOT = Path(__file__).parent.parent
SIDE, SLOTS = 64, 2
FIELDS = {"vendor": "GE", "sampling_rate": 0.25, "temperature": 1.0, "width": 0.05, "image_size": SIDE, "epochs": 2}
FIELDS |= {"settle": 0.5, "batch_size": 24}
SPACE = '''"""Very short trainings."""

SPACE = {fields!r}
SEARCH = {{"sampler": "grid", "seeds": 1}}
'''
WAYS = {  # name -> processes at once
    "training alone, one process": 1,
    "training alone, two processes": SLOTS,
    "with the run folder, two processes": SLOTS,
    "run_search.py, two trials at once": SLOTS,
}


def main() -> None:
    """Print one line of Markdown a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs=2, default=(8, 40), metavar=("FEW", "MANY"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=4, metavar=("PLACE", "COUNT", "FIRST", "RECORDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        place, count, first, records = options.child
        train_some(Path(place), configs(int(count))[int(first) :: SLOTS if records != "all" else 1], records == "yes")
        return
    few, many = options.trials
    seconds: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="tune_ks_overhead_") as scratch:
        place = Path(scratch)
        write_cohort(place)
        load = os.getloadavg()[0]
        for _, trials, way in itertools.product(range(options.repeats), (few, many), WAYS):
            seconds.setdefault((way, trials), []).append(timed(commands(place, way, trials)))
    print(f"load {load:.1f} at the start\n\n| way | {few} trials | {many} trials | to begin | a trial, core seconds |")
    print("|" + "---|" * 5)
    for way, at_once in WAYS.items():
        low, high = (statistics.median(seconds[way, trials]) for trials in (few, many))
        slope = (high - low) / (many - few)
        begin, each = low - few * slope, slope * at_once
        print(f"| {way} | {low:.1f} s | {high:.1f} s | {begin:.1f} s | {each:.2f} s |")


def configs(trials: int) -> list[TrialConfig]:
    """As many trainings, alike but for their learning rates."""
    return [TrialConfig.from_dict({**FIELDS, "lr": lr}) for lr in learning_rates(trials)]


def learning_rates(trials: int) -> list[float]:
    """Distinct, so that each is a trial."""
    return [float(lr) for lr in np.geomspace(1e-4, 1e-3, trials)]


def write_cohort(place: Path) -> None:
    """A phantom of 12 patients, decoded: what each way begins from."""
    write_phantom(place / "data", PhantomSettings(patients=6, matrix=SIDE))
    cohort = open_cohort(place / "data", CohortSettings(series="pre"), SIDE, place / "cache")
    write_table(place / "cohort.csv", with_splits(cohort.table, 0))
    (place / "images.npy").symlink_to(cohort.images)


def commands(place: Path, way: str, trials: int) -> list[list[str]]:
    """The command lines of a way, which run at the same time."""
    if "run_search" in way:
        space = place / f"short{trials}.py"
        space.write_text(SPACE.format(fields={**FIELDS, "lr": learning_rates(trials)}))
        words = ["--data", place / "data", "--series", "pre", "--cache", place / "cache", "--space", space, "--fresh"]
        return [[sys.executable, str(ROOT / "run_search.py"), *map(str, words), "--run", str(place / f"run{trials}")]]
    child = [sys.executable, __file__, "--child", str(place), str(trials)]
    if WAYS[way] == 1:
        return [[*child, "0", "all"]]
    return [[*child, str(first), "yes" if "folder" in way else "no"] for first in range(SLOTS)]


def timed(lines: list[list[str]]) -> float:
    """Seconds until all of these commands have ended."""
    started = time.perf_counter()
    running = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for line in lines]
    said = [process.communicate()[0] for process in running]
    for process, text in zip(running, said):
        if process.returncode:
            sys.exit(f"{' '.join(process.args)} ended with {process.returncode}:\n{text[-2000:]}")
    return time.perf_counter() - started


def train_some(place: Path, some: list[TrialConfig], records: bool) -> None:
    """What a worker does with these configs, with or without its run folder."""
    import torch

    from tune_ks.data.dataset import open_splits
    from tune_ks.evaluation.finish import finish_trainings
    from tune_ks.training.train import train
    from tune_ks.worker.run_pack import run_pack

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        folder = RunFolder(scratch)
        folder.cohort_csv.write_bytes((place / "cohort.csv").read_bytes())
        for config in some:
            if records:
                list(run_pack([config], folder, place / "images.npy", "cpu", lambda config, line: True))
            else:
                splits = open_splits(folder.cohort_csv, place / "images.npy", config.vendor)
                *_, epoch = train(config, splits)
                finish_trainings([config], splits, [epoch.state])


if __name__ == "__main__":
    main()
