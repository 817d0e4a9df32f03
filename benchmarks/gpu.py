"""What does a GPU reach? Images a second against the bare network, and the time of the paper's whole table.

    python -m benchmarks.gpu                     # 10,000 slices of 256 px, width 1: about 6 minutes on a large GPU
    python -m benchmarks.gpu --whole             # also the table itself: 20 trials of 30 epochs, trained in full
    python -m benchmarks.gpu --images 128 --side 64 --width 0.05 --batch 8 --packs 2   # on a CPU, to see that it runs

``bare`` is the network alone on one batch that stays on the GPU: forward, backward, optimiser, and nothing that a trial
adds. Everything else is the program's own training: the cohort on the GPU, a new order of the images in each epoch,
augmentation, the mask's noise, and validation after the epoch. The share compares images a second with the fastest bare
network. Ways take turns; medians are printed.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from benchmarks.tools import median_seconds, parser, print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import ACQUISITION, Images, Splits
from tune_ks.evaluation.finish import finish_trainings
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.optimiser import build_optimiser
from tune_ks.training.tasks import build_task
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

Way = tuple[int, Callable[[], object]]  # how many images one call takes, and the call
STEPS = 30  # of a bare network in one call
TRIALS = 20  # of the paper's table: ten rates, two vendors
EPOCHS = 30


def main() -> None:
    """Print the two tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--images", type=int, default=10_000, help="training slices of one vendor")
    arguments.add_argument("--side", type=int, default=256)
    arguments.add_argument("--width", type=float, default=1.0)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--packs", type=int, nargs="+", default=[2, 4, 10], help="trials trained as one")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--whole", action="store_true", help="train the whole table, in packs of the last size")
    args = arguments.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    machine = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "CPU"
    print(f"{machine}, torch {torch.__version__}; {args.images} images of {args.side} px, width {args.width:g}\n")
    torch.set_num_threads(1)  # on a CPU the clock counts the seconds of all threads
    splits = synthetic(args.images, args.side)
    speeds = measure(ways_of(args, splits, device), args.repeats, device)
    print_speeds(speeds)
    fastest = max(speed for name, speed in speeds.items() if "learned lines" in name)
    minutes = TRIALS * EPOCHS * args.images / fastest / 60
    table = f"{TRIALS} trials of {EPOCHS} epochs"
    print(f"\n{table} at the fastest way with learned lines: {minutes:.1f} minutes of training")
    if args.whole:
        seconds = train_table(args, splits, device)
        print(f"{table} in full, with validation and the scoring at the end: {seconds / 60:.1f} minutes")


def ways_of(args: argparse.Namespace, splits: Splits, device: str) -> dict[str, Way]:
    """Everything that is timed, by name."""
    ways = {
        "bare, float32": bare(args, device, autocast=False),
        "bare, channels last, bfloat16": bare(args, device),
        "bare, the same, compiled": bare(args, device, compiled=True),
        "a trial, rate 1": epoch([config_of(args, 1.0)], splits, device),
        "a trial, fixed lines": epoch([config_of(args, 0.25, mask="lowpass")], splits, device),
        "a trial, learned lines": epoch([config_of(args, 0.25)], splits, device),
        "a trial, learned points": epoch([config_of(args, 0.25, pattern="points")], splits, device),
    }
    for size in args.packs:
        pack = [config_of(args, 0.25, seed=number) for number in range(size)]
        ways[f"{size} trials as one, learned lines"] = epoch(pack, splits, device)
    return ways


def print_speeds(speeds: dict[str, float]) -> None:
    """One row for each way."""
    fastest_bare = max(speed for name, speed in speeds.items() if name.startswith("bare"))
    print_heads(["way", "images a second", "share of the fastest bare network"])
    for name, speed in speeds.items():
        print_row([name, f"{speed:,.0f}", f"{speed / fastest_bare:.2f}"])


def config_of(args: argparse.Namespace, rate: float, **changes: object) -> TrialConfig:
    """A trial of the benchmark."""
    learned = {"temperature": 1.0} if changes.get("mask", "gumbel") == "gumbel" else {}
    shape = {"width": args.width, "image_size": args.side, "batch_size": args.batch, "epochs": EPOCHS}
    return TrialConfig("GE", rate, augment="flips", **{**shape, **learned, **changes})


def synthetic(count: int, side: int) -> Splits:
    """Noise of two vendors: ``count`` training images, and a tenth of that for validation and for the test."""
    stream = np.random.default_rng(0)
    few = max(2, count // 10)
    sizes = {"train": count, "val GE": few, "val SIEMENS": few, "test GE": few, "test SIEMENS": few}
    pixels = stream.random((sum(sizes.values()), side, side), dtype=np.float32)
    rows = np.arange(len(pixels))
    table = pd.DataFrame({"row": rows, "patient_id": rows.astype(str), "label": rows % 2, "acquired_width": side})
    table = table.assign(width=side, **dict.fromkeys(set(ACQUISITION) - {"acquired_ratio"}, 1.0))
    ends = np.cumsum(list(sizes.values()))
    parts = {name: Images(table, pixels, rows[end - size : end]) for (name, size), end in zip(sizes.items(), ends)}
    val, test = ({vendor: parts[f"{split} {vendor}"] for vendor in ("GE", "SIEMENS")} for split in ("val", "test"))
    return Splits(parts["train"], val, test)


def bare(args: argparse.Namespace, device: str, autocast: bool = True, compiled: bool = False) -> Way:
    """STEPS steps of the network on one batch."""
    config = config_of(args, 1.0)
    pipeline = build_pipeline(config, args.side).to(device).train()
    optimiser = build_optimiser(config, pipeline, build_task(config).to(device))
    image = torch.rand(args.batch, 1, args.side, args.side, device=device)
    acquisition = torch.zeros(args.batch, len(ACQUISITION), device=device)
    condition = torch.zeros(args.batch, 2, device=device)
    label = torch.arange(args.batch, device=device).remainder(2).float()
    classifier = torch.compile(pipeline.classifier, mode="reduce-overhead") if compiled else pipeline.classifier
    if not autocast:
        pipeline.to(memory_format=torch.contiguous_format)

    never = torch.zeros((), device=device)  # a step is skipped where it is 1

    def run() -> None:
        for _ in range(STEPS):
            optimiser.zero_grad()
            with torch.autocast(device, dtype=torch.bfloat16, enabled=autocast and device == "cuda"):
                logit = classifier(image, acquisition, condition)
            functional.binary_cross_entropy_with_logits(logit.float(), label).backward()
            optimiser.step(never)

    return STEPS * args.batch, run


def epoch(configs: list[TrialConfig], splits: Splits, device: str) -> Way:
    """The next epoch of the trials, trained as one."""
    epochs = train_together([Training(config, splits, device=device) for config in configs], splits)
    return len(configs) * len(splits.train), lambda: next(epochs)


def measure(ways: dict[str, Way], repeats: int, device: str) -> dict[str, float]:
    """Name -> images a second."""
    seconds = median_seconds({name: run for name, (_, run) in ways.items()}, repeats, device)
    return {name: images / seconds[name] for name, (images, _) in ways.items()}


def train_table(args: argparse.Namespace, splits: Splits, device: str) -> float:
    """Seconds of the whole table. Trials of either vendor train on as many images, so one vendor stands for both."""
    started = time.perf_counter()
    size = args.packs[-1]
    rates = np.linspace(0.1, 1.0, TRIALS // 2).tolist() * 2
    configs = [config_of(args, rate, seed=number) for number, rate in enumerate(rates)]
    for first in range(0, TRIALS, size):
        pack = configs[first : first + size]
        trainings = [Training(config, splits, device=device) for config in pack]
        for _ in train_together(trainings, splits):
            pass
        finish_trainings(pack, splits, [training.state() for training in trainings], device)
        print(f"{first + len(pack)} of {TRIALS} trials: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
