"""What a GPU makes of a trial: images a second beside the bare network's, and the time of the paper's whole table.

    python benchmarks/gpu.py                     # 10,000 slices of 256 px, width 1: about 6 minutes on a large GPU
    python benchmarks/gpu.py --whole             # and the table itself: 20 trials of 30 epochs, trained in full
    python benchmarks/gpu.py --images 128 --side 64 --width 0.05 --batch 8 --packs 2   # on a CPU, to see that it runs

``bare`` is the network alone on one batch that stays on the GPU: forward, backward, optimiser, and nothing that a trial
adds to them. Everything else is the program's own training: the cohort on the GPU, each epoch in its own order,
augmentation, the mask's noise, validation after the epoch. The share is the images a second against those of the
fastest bare network. Ways take turns; medians.
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
from turns import median_seconds

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import ACQUISITION, Images, Splits
from tune_ks.evaluation.finish import finish_trainings
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.optimiser import build_optimiser
from tune_ks.training.tasks import task_of
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

Way = tuple[int, Callable[[], object]]  # how many images it takes, and what takes them
STEPS = 30  # of a bare network at once
TRIALS, EPOCHS = 20, 30  # of the paper's table: ten rates, two vendors


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, help="training slices of one vendor")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--packs", type=int, nargs="+", default=[2, 4, 10], help="trials trained as one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--whole", action="store_true", help="train the whole table, in packs of the last of --packs")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    machine = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "CPU"
    print(f"{machine}, torch {torch.__version__}; {args.images} images of {args.side} px, width {args.width:g}\n")
    torch.set_num_threads(1)  # on a CPU the seconds are a process's
    splits = synthetic(args.images, args.side)
    ways = {
        "bare, float32": bare(args, device, autocast=False),
        "bare, channels last, bfloat16": bare(args, device),
        "bare, the same, compiled": bare(args, device, compiled=True),
        "a trial, rate 1": epoch([asked(args, 1.0)], splits, device),
        "a trial, fixed lines": epoch([asked(args, 0.25, mask="lowpass")], splits, device),
        "a trial, learned lines": epoch([asked(args, 0.25)], splits, device),
        "a trial, learned points": epoch([asked(args, 0.25, pattern="points")], splits, device),
    }
    for size in args.packs:
        pack = [asked(args, 0.25, seed=number) for number in range(size)]
        ways[f"{size} trials as one, learned lines"] = epoch(pack, splits, device)
    found = speeds(ways, args.repeats, device)
    fastest = max(speed for name, speed in found.items() if name.startswith("bare"))
    print("| way | images a second | share of the fastest bare network |\n| --- | --- | --- |")
    for name, speed in found.items():
        print(f"| {name} | {speed:,.0f} | {speed / fastest:.2f} |")
    best = max(speed for name, speed in found.items() if "learned lines" in name)
    minutes = TRIALS * EPOCHS * args.images / best / 60
    what = f"{TRIALS} trials of {EPOCHS} epochs"
    print(f"\n{what} at the fastest way with learned lines: {minutes:.1f} minutes of training")
    if args.whole:
        seconds = whole(args, splits, device)
        print(f"{what} in full, with validation and the scoring at the end: {seconds / 60:.1f} minutes")


def asked(args: argparse.Namespace, rate: float, **changes: object) -> TrialConfig:
    """A trial of the benchmark."""
    learned = {"temperature": 1.0} if changes.get("mask", "gumbel") == "gumbel" else {}
    shape = {"width": args.width, "image_size": args.side, "batch_size": args.batch, "epochs": EPOCHS}
    return TrialConfig("GE", rate, augment="flips", **{**shape, **learned, **changes})


def synthetic(count: int, side: int) -> Splits:
    """Noise of two vendors: as many training images as asked for, a tenth of that to validate and to test on."""
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
    config = asked(args, 1.0)
    pipeline = build_pipeline(config, args.side).to(device).train()
    optimiser = build_optimiser(config, pipeline, task_of(config)(config).to(device))
    image = torch.rand(args.batch, 1, args.side, args.side, device=device)
    told = torch.zeros(args.batch, len(ACQUISITION), device=device), torch.zeros(args.batch, 2, device=device)
    label = torch.arange(args.batch, device=device).remainder(2).float()
    classifier = torch.compile(pipeline.classifier, mode="reduce-overhead") if compiled else pipeline.classifier
    if not autocast:
        pipeline.to(memory_format=torch.contiguous_format)

    def run() -> None:
        for _ in range(STEPS):
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(device, dtype=torch.bfloat16, enabled=autocast and device == "cuda"):
                logit = classifier(image, *told)
            functional.binary_cross_entropy_with_logits(logit.float(), label).backward()
            optimiser.step()

    return STEPS * args.batch, run


def epoch(configs: list[TrialConfig], splits: Splits, device: str) -> Way:
    """The next epoch of the trials, trained as one."""
    epochs = train_together([Training(config, splits, device=device) for config in configs], splits)
    return len(configs) * len(splits.train), lambda: next(epochs)


def speeds(ways: dict[str, Way], repeats: int, device: str) -> dict[str, float]:
    """Images a second of each."""
    seconds = median_seconds({name: run for name, (_, run) in ways.items()}, repeats, device)
    return {name: images / seconds[name] for name, (images, _) in ways.items()}


def whole(args: argparse.Namespace, splits: Splits, device: str) -> float:
    """Seconds of the whole table. Both vendors' trials see as many images, so one vendor's stand for both."""
    started, size = time.perf_counter(), args.packs[-1]
    rates = np.linspace(0.1, 1.0, TRIALS // 2).tolist() * 2
    configs = [asked(args, rate, seed=number) for number, rate in enumerate(rates)]
    for first in range(0, TRIALS, size):
        pack = configs[first : first + size]
        members = [Training(config, splits, device=device) for config in pack]
        for _ in train_together(members, splits):
            pass
        finish_trainings(pack, splits, [member.state() for member in members], device)
        print(f"{first + len(pack)} of {TRIALS} trials: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
