"""What do Ray and the run folder add to a trial? The same very short trainings through run_search.py and without it.

    python -m benchmarks.ray_overhead [--trials 8 40] [--repeats 3]

Four ways take turns, each as a command that is timed from outside: one process that trains the configs one after
another; two processes that train half of them each; two processes that also write a run folder (records, weights,
scores); and run_search.py with two trials at once. Two numbers of trials give a line for each way: where it begins is
the cost of starting, its slope the cost of one more trial (times two where two run at once, so seconds of one core).
Medians over the repeats.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import ROOT
from benchmarks.tools import command_of, parser, print_heads, print_row, timed
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.phantom.settings import PhantomSettings
from tune_ks.data.phantom.write import write_phantom

SIDE = 64
SLOTS = 2  # trials at once
FIELDS = {
    "vendor": "GE",
    "sampling_rate": 0.25,
    "temperature": 1.0,
    "width": 0.05,
    "image_size": SIDE,
    "epochs": 2,
    "settle": 0.5,
    "batch_size": 24,
}
SPACE = '''"""Very short trainings."""

SPACE = {fields!r}
SEARCH = {{"sampler": "grid", "seeds": 1}}
'''
ALONE = "training alone, one process"
ALONE_TWICE = "training alone, two processes"
WITH_FOLDER = "with the run folder, two processes"
SEARCH = "run_search.py, two trials at once"
PROCESSES = {ALONE: 1, ALONE_TWICE: SLOTS, WITH_FOLDER: SLOTS, SEARCH: SLOTS}  # way -> processes at once


def main() -> None:
    """Print one row for each way."""
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, nargs=2, default=(8, 40), metavar=("FEW", "MANY"))
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--child", type=Path, metavar="PLACE", help=argparse.SUPPRESS)  # and these are its part
    arguments.add_argument("--every", type=int, default=1, help=argparse.SUPPRESS)
    arguments.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    arguments.add_argument("--records", action="store_true", help=argparse.SUPPRESS)
    args = arguments.parse_args()
    few, many = args.trials
    if args.child:
        train_some(args.child, configs(many)[args.first :: args.every], args.records)
        return
    seconds: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="tune_ks_overhead_") as scratch:
        place = Path(scratch)
        write_cohort(place)
        load = os.getloadavg()[0]
        for _, trials, way in itertools.product(range(args.repeats), (few, many), PROCESSES):
            wall = timed(run_at_once, commands(place, way, trials)).wall
            seconds.setdefault((way, trials), []).append(wall)
    print(f"load {load:.1f} at the start\n")
    print_heads(["way", f"{few} trials", f"{many} trials", "to begin", "a trial, core seconds"])
    for way, processes in PROCESSES.items():
        low = statistics.median(seconds[way, few])
        high = statistics.median(seconds[way, many])
        slope = (high - low) / (many - few)
        begin = low - few * slope
        print_row([way, f"{low:.1f} s", f"{high:.1f} s", f"{begin:.1f} s", f"{slope * processes:.2f} s"])


def configs(trials: int) -> list[TrialConfig]:
    """As many trainings, alike but for their learning rates."""
    return [TrialConfig.from_dict({**FIELDS, "lr": lr}) for lr in learning_rates(trials)]


def learning_rates(trials: int) -> list[float]:
    """Distinct numbers, so that every training is another trial."""
    return [float(lr) for lr in np.geomspace(1e-4, 1e-3, trials)]


def write_cohort(place: Path) -> None:
    """A phantom of 12 patients, decoded, for all ways."""
    write_phantom(place / "data", PhantomSettings(patients=6, matrix=SIDE))
    cohort = open_cohort(place / "data", CohortSettings(series="pre"), SIDE, place / "cache")
    write_table(place / "cohort.csv", with_splits(cohort.table, 0))
    (place / "images.npy").symlink_to(cohort.images)


def commands(place: Path, way: str, trials: int) -> list[list[str]]:
    """The command lines of a way, which run at the same time."""
    if way == SEARCH:
        space = place / f"short{trials}.py"
        space.write_text(SPACE.format(fields={**FIELDS, "lr": learning_rates(trials)}))
        words = ["--data", place / "data", "--series", "pre", "--cache", place / "cache", "--space", space, "--fresh"]
        return [[sys.executable, "run_search.py", *map(str, words), "--run", str(place / f"run{trials}")]]
    words = ["--child", place, "--trials", 1, trials, "--every", PROCESSES[way]]
    if way == WITH_FOLDER:
        words.append("--records")
    return [command_of("benchmarks.ray_overhead", *words, "--first", first) for first in range(PROCESSES[way])]


def run_at_once(lines: list[list[str]]) -> None:
    """Run these commands at the same time, until all have ended."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    running = [subprocess.Popen(line, cwd=ROOT, **pipes) for line in lines]
    outputs = [process.communicate()[0] for process in running]
    for process, output in zip(running, outputs):
        if process.returncode:
            sys.exit(f"{' '.join(process.args)} ended with {process.returncode}:\n{output[-2000:]}")


def train_some(place: Path, some: list[TrialConfig], records: bool) -> None:
    """What a worker does with these configs, with or without its run folder."""
    import torch  # here, because the process that only times the others needs none of it

    from benchmarks.alone import finish, run_config, train_to_end
    from tune_ks.data.dataset import open_splits

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=place) as scratch:
        folder = RunFolder(scratch)
        folder.cohort_csv.write_bytes((place / "cohort.csv").read_bytes())
        for config in some:
            if records:
                run_config(config, folder, place / "images.npy")
            else:
                splits = open_splits(folder.cohort_csv, place / "images.npy", config.vendor)
                finish(config, splits, train_to_end(config, splits))


if __name__ == "__main__":
    main()
