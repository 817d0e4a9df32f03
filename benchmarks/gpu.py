"""What does a GPU reach, and does it compute the same as a CPU? One command. A table after each part.

    python benchmarks/gpu.py                     # a card at hand for ten minutes: everything that fits into 8 of them
    python benchmarks/gpu.py --minutes 20 --whole       # at the end also the paper's table, trained in full
    python -m benchmarks.gpu --parts layer packs         # some parts only
    python benchmarks/gpu.py --device cpu --tiny         # without a card, to see that it runs

It needs torch, numpy, pandas, scipy, scikit-learn and safetensors, and neither Ray nor this package installed. What it
uses beyond them is left out with a reason: monai's networks, pydicom's decoder. ``benchmarks/wheels.sh`` collects both
for a machine without a network. A part that fails is named, and the next one runs; the exit code is then 1.

1. same     one step of every member on the GPU and on the CPU: loss and gradients (benchmarks/same_step.py)
2. layer    a training step with a mask in units of one without, at 128 and 256 px and width 1 (benchmarks/layer.py)
3. packs    trainings as one network against processes side by side (benchmarks/fused.py)
4. compiled steps through torch.compile(mode="reduce-overhead"), which records CUDA graphs
5. speed    images a second of whole epochs beside the bare network's: the paper's table at that speed
6. decode   DICOM files -> the cohort's cache -> images that stay on the GPU
7. whole    the paper's table: 20 trials, 30 epochs, 10,000 slices of 256 px, checkpoints, scores and records included

``bare`` is the network alone on one batch that stays on the GPU: forward, backward, optimiser, and nothing that a trial
adds. The share compares images a second with the fastest bare network. Ways take turns; medians are printed.
"""

import argparse
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

if not __package__:  # started by its path: the repository's root comes first, in place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch
from torch.nn import functional

from benchmarks import fused, layer, same_step
from benchmarks.synthetic import synthetic, write_synthetic
from benchmarks.tools import clock_of, median_seconds, parser, print_heads, print_row, with_kept_memory
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import ACQUISITION, Splits, open_splits
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.optimiser import build_optimiser
from tune_ks.training.tasks import build_task, task_of
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

Way = tuple[int, Callable[[], object]]  # how many images one call takes, and the call
STEPS = 30  # in one call on a GPU
TRIALS = 20  # of the paper's table: ten rates, two vendors
EPOCHS = 30
LAYER_WAYS = ("no mask", "learned lines", "learned points", "fixed lines, each step")
AIM = 1.10  # of learned lines, in unmasked steps
TINY = {"images": 16, "sides": [64], "width": 0.05, "batch": 8, "packs": [2], "repeats": 1, "slices": 4, "epochs": 2}
TINY |= {"trials": 2}


class Left(NamedTuple):
    """When the command has to end."""

    end: float  # of time.monotonic

    def minutes(self) -> float:
        return (self.end - time.monotonic()) / 60

    def is_over(self, where: str) -> bool:
        """Whether the time is used up; says where it ended."""
        if self.minutes() > 0:
            return False
        print(f"\nThe minutes are used up: {where} and what would follow are left out.", flush=True)
        return True


class Part(NamedTuple):
    """One part: what it measures, the minutes that it takes on a large GPU, and the function."""

    about: str
    minutes: float
    run: Callable[[argparse.Namespace, Left], None]


def main() -> int:
    """Run the parts; 1 where one of them failed."""
    args = arguments()
    if args.device == "cpu":
        with_kept_memory()
    torch.set_num_threads(1)  # on a CPU the clock counts the seconds of all threads
    left = Left(time.monotonic() + 60 * args.minutes)
    print(f"{machine(args.device)}; {args.minutes:g} minutes", flush=True)
    failed = []
    for name in args.parts:
        part = PARTS[name]
        if left.minutes() < (part.minutes if args.device != "cpu" else 0):
            print(f"\n{name}: left out, {left.minutes():.1f} minutes are left and it takes about {part.minutes:g}")
            continue
        print(f"\n## {name}: {part.about}\n", flush=True)
        started = time.monotonic()
        try:
            part.run(args, left)
        except Exception:  # a borrowed GPU is not given back for one part
            traceback.print_exc()
            failed.append(name)
        print(f"\n({name} took {time.monotonic() - started:.0f} s)", flush=True)
    if failed:
        print(f"\nFAILED: {', '.join(failed)}", flush=True)
    return int(bool(failed))


def arguments() -> argparse.Namespace:
    """The command line."""
    given = parser(__doc__)
    given.add_argument("--minutes", type=float, default=8)
    given.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cuda", "cpu"])
    given.add_argument("--parts", nargs="+", choices=list(PARTS), help="default: all but whole")
    given.add_argument("--whole", action="store_true", help="also the last part")
    given.add_argument("--tiny", action="store_true", help="sizes with which each part takes seconds on a CPU")
    given.add_argument("--images", type=int, default=10_000, help="training slices of one vendor")
    given.add_argument("--sides", type=int, nargs="+", default=[128, 256], help="pixels; the last one is the table's")
    given.add_argument("--width", type=float, default=1.0)
    given.add_argument("--batch", type=int, default=32)
    given.add_argument("--packs", type=int, nargs="+", default=[4, 10], help="trials trained as one")
    given.add_argument("--slices", type=int, default=600, help="DICOM files of the part decode")
    given.add_argument("--epochs", type=int, default=EPOCHS, help="of the part whole")
    given.add_argument("--trials", type=int, default=TRIALS, help="of the part whole, at ten rates in turn")
    given.add_argument("--repeats", type=int, default=3)
    args = given.parse_args()
    if args.tiny:
        vars(args).update(TINY)
    args.parts = args.parts or [name for name in PARTS if name != "whole"]
    if args.whole and "whole" not in args.parts:
        args.parts.append("whole")
    args.side = args.sides[-1]
    return args


def machine(device: str) -> str:
    """The device's name and what computes on it."""
    if device == "cpu":
        return f"{platform.processor() or platform.machine()}, torch {torch.__version__}"
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return f"{torch.cuda.get_device_name()}, {memory:.0f} GiB, torch {torch.__version__}, CUDA {torch.version.cuda}"


# ------------------------------------------------------------------------------------------------ 1. the same step


def run_same(args: argparse.Namespace, left: Left) -> None:
    """One row a member. RuntimeError where one differs from the CPU by more than float32 explains."""
    splits = {masks: same_step.images(masks) for masks in (False, True)}
    print_heads(["member", "loss", "gradient of the mask", "of the network", "the same", "network in bfloat16"])
    differing = []
    for name, config in same_step.every_member():
        if left.is_over(name):
            break
        try:
            on = splits[task_of(config).reads_masks()]
            plain = same_step.stepped(config, on, "cpu")
            found = same_step.compared(plain, same_step.stepped(config, on, args.device))
            trained = found
            if args.device != "cpu":  # which computes everything in float32
                trained = same_step.compared(plain, same_step.stepped(config, on, args.device, bfloat16=True))
        except ModuleNotFoundError as error:
            print_row([name, "left out:", f"no {error.name}", "", "", ""])
            continue
        if not found.same:
            differing.append(name)
        cells = [f"{found.gradients[part]:.1e}" if part in found.gradients else "-" for part in ("mask", "network")]
        in_bfloat16 = f"{max(trained.gradients.values(), default=0.0):.1e}"
        print_row([name, f"{found.loss:.1e}", *cells, "yes" if found.same else "NO", in_bfloat16])
    if differing:
        raise RuntimeError(f"{len(differing)} members differ from the CPU: {', '.join(differing)}")


# ------------------------------------------------------------------------------------------------ 2. the layer


def run_layer(args: argparse.Namespace, left: Left) -> None:
    """One row a way and side."""
    print_heads(["px", "way", "ms a step", "times the unmasked step"])
    for side in args.sides:
        if left.is_over(f"{side} px"):
            return
        steps = {name: layer.step(side, args.width, 0.25, *layer.WAYS[name], args.device) for name in LAYER_WAYS}
        seconds = median_seconds(many(steps, args), args.repeats, args.device)
        for name, of_way in seconds.items():
            print_row([side, name, f"{1e3 * of_way / steps_of(args.device):.2f}", f"{of_way / seconds['no mask']:.2f}"])
    print(f"\nAim: learned lines at most {AIM:.2f}. Width {args.width:g}, batch {layer.BATCH}.")


def steps_of(device: str) -> int:
    """How many steps one call takes."""
    return STEPS if device == "cuda" else 1


def many(steps: dict[str, Callable[[], object]], args: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """The ways with many steps in one call, so that a GPU's queue is filled."""
    count = steps_of(args.device)

    def repeated(step: Callable[[], object]) -> Callable[[], object]:
        return lambda: [step() for _ in range(count)]

    return {name: repeated(step) for name, step in steps.items()}


# ------------------------------------------------------------------------------------------------ 3. packs


def run_packs(args: argparse.Namespace, left: Left) -> None:
    """One row for each number of trainings, at the smaller side."""
    processes = [1, 4] if args.device == "cuda" else [2]
    sizes = fused.Sizes([args.sides[0]], [args.width], args.packs, processes, 20 if args.device == "cuda" else 1)
    fused.print_table_heads()
    fused.print_size(args.sides[0], args.width, sizes, args.device, args.repeats)
    print("\nms a training and step. Aim: a third of the time of processes side by side on one GPU.")


# ------------------------------------------------------------------------------------------------ 4. compiled steps


def run_compiled(args: argparse.Namespace, left: Left) -> None:
    """One row for each way, eager and compiled; a way that cannot be compiled has the reason in its row."""
    print_heads(["px", "way", "ms a step", "ms compiled", "times faster"])
    for name in LAYER_WAYS[:3]:
        if left.is_over(name):
            return
        eager = layer.step(args.sides[0], args.width, 0.25, *layer.WAYS[name], args.device)
        try:
            quick = layer.step(args.sides[0], args.width, 0.25, *layer.WAYS[name], args.device, compiled=True)
            quick()  # compiles
            seconds = median_seconds(many({"eager": eager, "compiled": quick}, args), args.repeats, args.device)
        except Exception as error:  # the compiler, its backend or the driver
            print_row([args.sides[0], name, "", f"not compiled: {first_line(error)}", ""])
            continue
        eager_ms, quick_ms = (1e3 * seconds[way] / steps_of(args.device) for way in ("eager", "compiled"))
        print_row([args.sides[0], name, f"{eager_ms:.2f}", f"{quick_ms:.2f}", f"{eager_ms / quick_ms:.2f}"])


def first_line(error: Exception) -> str:
    """What an error says, for a cell of a table."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:100]}"


# ------------------------------------------------------------------------------------------------ 5. speed


def run_speed(args: argparse.Namespace, left: Left) -> None:
    """One row for each way, and the minutes of the paper's table at the fastest one."""
    images = min(args.images, 2_000)  # an epoch of which is measured
    splits = synthetic(images, args.side)
    speeds = measure(ways_of(args, splits, args.device), args.repeats, args.device)
    print_speeds(speeds)
    fastest = max(speed for name, speed in speeds.items() if "learned lines" in name)
    minutes = TRIALS * EPOCHS * args.images / fastest / 60
    print(
        f"\n{TRIALS} trials of {EPOCHS} epochs of {args.images:,} slices of {args.side} px, width {args.width:g}, at "
        f"the fastest way with learned lines: {minutes:.1f} minutes of training (aim: 10)"
    )


def ways_of(args: argparse.Namespace, splits: Splits, device: str) -> dict[str, Way]:
    """Everything that is timed, by name."""
    ways = {
        "bare, float32": bare(args, device, autocast=False),
        "bare, bfloat16": bare(args, device),
        "bare, bfloat16, not channels-last": bare(args, device, layout=torch.contiguous_format),
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


def bare(
    args: argparse.Namespace, device: str, autocast: bool = True, layout: torch.memory_format = torch.channels_last
) -> Way:
    """Many steps of the network on one batch; ``layout`` is that of its weights in memory."""
    config = config_of(args, 1.0)
    pipeline = build_pipeline(config, args.side).to(device, memory_format=layout).train()
    optimiser = build_optimiser(config, pipeline, build_task(config).to(device))
    image = torch.rand(args.batch, 1, args.side, args.side, device=device)
    acquisition = torch.zeros(args.batch, len(ACQUISITION), device=device)
    condition = torch.zeros(args.batch, 2, device=device)
    label = torch.arange(args.batch, device=device).remainder(2).float()
    never = torch.zeros((), device=device)  # a step is skipped where it is 1
    steps = steps_of(device)

    def run() -> None:
        for _ in range(steps):
            optimiser.zero_grad()
            with torch.autocast(device, dtype=torch.bfloat16, enabled=autocast and device == "cuda"):
                logit = pipeline.classifier(image, acquisition, condition)
            functional.binary_cross_entropy_with_logits(logit.float(), label).backward()
            optimiser.step(never)

    return steps * args.batch, run


def epoch(configs: list[TrialConfig], splits: Splits, device: str) -> Way:
    """The next epoch of the trials, trained as one."""
    epochs = train_together([Training(config, splits, device=device) for config in configs], splits)
    return len(configs) * len(splits.train), lambda: next(epochs)


def measure(ways: dict[str, Way], repeats: int, device: str) -> dict[str, float]:
    """Name -> images a second."""
    seconds = median_seconds({name: run for name, (_, run) in ways.items()}, repeats, device)
    return {name: images / seconds[name] for name, (images, _) in ways.items()}


# ------------------------------------------------------------------------------------------------ 6. decode


def run_decode(args: argparse.Namespace, left: Left) -> None:
    """DICOM files of a phantom -> the cache -> the device; left out where nothing reads DICOM here."""
    try:
        from tune_ks.data.cohort.cohort import open_cohort
        from tune_ks.data.cohort.settings import CohortSettings
        from tune_ks.data.cohort.table import with_splits, write_table
        from tune_ks.data.phantom.write import PhantomSettings, write_phantom
    except ModuleNotFoundError as error:
        print(f"Left out: there is no {error.name} here (benchmarks/wheels.sh collects it).")
        return
    with tempfile.TemporaryDirectory(prefix="tune_ks_gpu_") as name:
        place = Path(name)
        settings = PhantomSettings(patients=max(6, args.slices // 24), slices=min(4, args.slices), matrix=args.side)
        data = write_phantom(place / "data", settings)
        started = time.perf_counter()
        cohort = open_cohort(data, CohortSettings(series="post_1"), args.side, place / "cache")
        decoded = time.perf_counter() - started
        write_table(place / "cohort.csv", with_splits(cohort.table, 0))
        splits = open_splits(place / "cohort.csv", cohort.images, "GE")
        every = torch.arange(len(splits.train), device=splits.train.home(args.device))
        clock = clock_of(args.device)
        seconds = []
        for _ in range(3):
            started = clock()
            splits.train.gather(every, args.device)
            seconds.append(clock() - started)
    print_heads(["what", "images", "images a second"])
    print_row(["DICOM -> cache", len(cohort.table), f"{len(cohort.table) / decoded:,.0f}"])
    print_row(["cache -> device, with the first copy", len(every), f"{len(every) / seconds[0]:,.0f}"])
    print_row(["gathered where they stay", len(every), f"{len(every) / max(seconds[-1], 1e-9):,.0f}"])


# ------------------------------------------------------------------------------------------------ 7. the whole table


def run_whole(args: argparse.Namespace, left: Left) -> None:
    """The paper's table as a search's worker trains it, with checkpoints, scores, records and files."""
    from tune_ks.core.run_folder import RunFolder
    from tune_ks.worker.run_pack import run_pack

    class Run(RunFolder):
        """A run folder whose config.json files name no start point: reading them would need pydantic."""

        def start_point(self, key: str) -> None:
            return None

    with tempfile.TemporaryDirectory(prefix="tune_ks_gpu_") as name:
        folder = Run(Path(name) / "run")
        table, images = write_synthetic(Path(name), args.images, args.side)
        folder.root.mkdir()
        table.rename(folder.cohort_csv)
        rates = np.linspace(0.1, 1.0, TRIALS // 2)
        wanted = [float(rates[number % len(rates)]) for number in range(args.trials)]
        configs = [config_of(args, rate, seed=n, epochs=args.epochs) for n, rate in enumerate(wanted)]
        size = args.packs[-1]
        print_heads(["trials", "seconds", "images a second"])
        started = time.perf_counter()
        for first in range(0, args.trials, size):
            if left.is_over(f"trial {first + 1} of {args.trials}"):
                return
            for config, result in run_pack(configs[first : first + size], folder, images, args.device, go_on):
                if isinstance(result, Exception):
                    raise RuntimeError(f"rate {config.sampling_rate:.2f}: {result}")
            seconds = time.perf_counter() - started
            done = min(first + size, args.trials)
            print_row(
                [f"{done} of {args.trials}", f"{seconds:.0f}", f"{done * args.epochs * args.images / seconds:,.0f}"]
            )
    print(f"\n{seconds / 60:.1f} minutes; {1e6 * seconds / (args.trials * args.epochs * args.images):.1f} us an image")


def go_on(config: TrialConfig, line: dict[str, float]) -> bool:
    """A report of an epoch, which nobody stops."""
    return True


PARTS = {
    "same": Part("is a step the same on the GPU as on the CPU?", 1.0, run_same),
    "layer": Part("what does a mask cost in a step?", 0.5, run_layer),
    "packs": Part("trainings as one against processes", 1.5, run_packs),
    "compiled": Part('torch.compile(mode="reduce-overhead")', 1.0, run_compiled),
    "speed": Part("images a second of whole epochs", 1.0, run_speed),
    "decode": Part("DICOM to images on the device", 0.5, run_decode),
    "whole": Part("the paper's table, trained in full", 10.0, run_whole),
}


if __name__ == "__main__":
    sys.exit(main())
