"""How long does the paper's table take? Trained as a search's worker trains it, with checkpoints, scores and records.

20 trials of 30 epochs of 10,000 slices, in packs of the largest size. Where the time is used up before, the trainings
end after their epoch, and the minutes of the whole table are those at the speed so far.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.on_gpu.common import TRIALS, config_of
from benchmarks.on_gpu.left import Left
from benchmarks.synthetic import write_synthetic
from benchmarks.tools import print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.worker.run_pack import run_pack

SPARE = 0.5  # minutes for the last epoch and the scores


class Run(RunFolder):
    """A run folder whose config.json files name no start point: reading them would need pydantic."""

    def start_point(self, key: str) -> None:
        return None


class Epochs:
    """Counts the epochs of all trials, with the time since the first training began; ends them where it is used up."""

    def __init__(self, left: Left) -> None:
        self.left = left
        self.done = 0
        self.started = time.perf_counter()
        self.seconds = 0.0

    def report(self, config: TrialConfig, line: dict[str, float]) -> bool:
        """As a search hears it. False: the training ends."""
        self.done += 1
        self.seconds = time.perf_counter() - self.started
        return self.left.minutes() > SPARE


def run(args: argparse.Namespace) -> None:
    """One row for each pack."""
    left = Left(args.end)
    with tempfile.TemporaryDirectory(prefix="tune_ks_gpu_") as name:
        folder = Run(Path(name) / "run")
        table, images = write_synthetic(Path(name), args.images, args.side)
        folder.root.mkdir()
        table.rename(folder.cohort_csv)
        rates = np.linspace(0.1, 1.0, TRIALS // 2)
        wanted = [float(rates[number % len(rates)]) for number in range(args.trials)]
        configs = [config_of(args, rate, seed=n, epochs=args.epochs) for n, rate in enumerate(wanted)]
        size = args.packs[-1]
        print_heads(["trials", "epochs", "seconds", "images a second"])
        epochs = Epochs(left)
        finished = 0
        for first in range(0, args.trials, size):
            for config, result in run_pack(configs[first : first + size], folder, images, args.device, epochs.report):
                if isinstance(result, Exception):
                    raise RuntimeError(f"rate {config.sampling_rate:.2f}: {result}")
                finished += 1
                epochs.seconds = time.perf_counter() - epochs.started
            speed = epochs.done * args.images / epochs.seconds
            print_row([f"{finished} of {args.trials}", epochs.done, f"{epochs.seconds:.0f}", f"{speed:,.0f}"])
            if left.minutes() <= SPARE:
                break
    print(f"\n{1e6 / speed:.1f} us an image; the whole table at this speed: {whole_minutes(args, speed):.1f} minutes")
    if finished < args.trials:
        print(f"The minutes were used up: {finished} of {args.trials} trials have ended.")


def whole_minutes(args: argparse.Namespace, speed: float) -> float:
    """Minutes of all trials and epochs at so many images a second."""
    return args.trials * args.epochs * args.images / speed / 60
