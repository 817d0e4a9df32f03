"""What does a GPU reach, and does it compute the same as a CPU? One command. A table after each part.

    python benchmarks/gpu.py                     # a card at hand for ten minutes: everything that fits into 8 of them
    python benchmarks/gpu.py --minutes 20 --whole       # at the end also the paper's table, trained in full
    python benchmarks/gpu.py --minutes 9 --parts whole  # only that, as far as it comes
    python -m benchmarks.gpu --parts layer packs         # some parts only
    python benchmarks/gpu.py --device cpu --tiny         # without a card, to see that it runs

It needs torch, numpy, pandas, scipy, scikit-learn and safetensors, and neither Ray nor this package installed. What it
uses beyond them is left out with a reason: monai's networks, pydicom's decoder. ``benchmarks/wheels.sh`` collects both
for a machine without a network. A part that fails is named, and the next one runs; the exit code is then 1.

Parts, in order of worth; each is a file of benchmarks/on_gpu, whose docstring says more:

1. same         one step of every member on the GPU and on the CPU: loss and gradients
2. steps        a trial's own step: kernels, work of the GPU and its peak of memory; where the host waits
3. layer        a training step with a mask in units of one without, at 128 and 256 px and width 1
4. packs        trainings as one network against processes side by side
5. graphs       a step as a CUDA graph
6. speed        images a second of whole epochs beside the bare network's; precisions; images that stay and that do not
7. checkpoint   a training's state from the GPU into a file
8. compiled     steps through torch.compile(mode="reduce-overhead")
9. decode       DICOM files -> the cohort's cache -> images that stay on the GPU
10. whole       the paper's table: 20 trials, 30 epochs, 10,000 slices of 256 px, as a worker trains it

The minutes of each part are guesses until a card has measured them: beside the seconds that a part took stands its
guess. A part that takes LONG_SHARE times its guess is ended, and so is the one at work when --minutes are over; the
minutes count from the moment before torch is imported. Ways within a table take turns; medians are printed.
"""

import argparse
import multiprocessing
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

if not __package__:  # started by its path: the repository's root comes first, in place of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.on_gpu.left import STARTED, Left, Over  # before torch, whose import takes long on a new machine

# isort: split
import torch

from benchmarks.on_gpu import checkpoints, compiled, decode, graphs, layers, packs, same, speed, steps, whole
from benchmarks.on_gpu.common import EPOCHS, TRIALS
from benchmarks.tools import parser, with_kept_memory
from tune_ks.training.precision import set_precision

LONG_SHARE = 3
TINY = {"images": 16, "sides": [64], "width": 0.05, "batch": 8, "packs": [2], "repeats": 1, "slices": 4, "epochs": 2}
TINY |= {"trials": 2}


class Part(NamedTuple):
    """One part: what it measures, the minutes that it is guessed to take on a large GPU, and the function."""

    about: str
    minutes: float
    run: Callable[[argparse.Namespace], None]
    takes_all: bool = False  # that is left of the time; it ends by itself


PARTS = {
    "same": Part("is a step the same on the GPU as on the CPU?", 1.5, same.run),
    "steps": Part("what does a trial's own step do, and does the host wait?", 0.8, steps.run),
    "layer": Part("what does a mask cost in a step?", 0.5, layers.run),
    "packs": Part("trainings as one against processes", 1.2, packs.run),
    "graphs": Part("a step as a CUDA graph", 0.3, graphs.run),
    "speed": Part("images a second of whole epochs", 1.0, speed.run),
    "checkpoint": Part("a training's state into a file", 0.2, checkpoints.run),
    "compiled": Part('torch.compile(mode="reduce-overhead")', 1.5, compiled.run),
    "decode": Part("DICOM to images on the device", 0.5, decode.run),
    "whole": Part("the paper's table, as far as it comes", 2.0, whole.run, takes_all=True),
}


def main() -> int:
    """Run the parts; 1 where one of them failed."""
    args = arguments()
    if args.device == "cpu":
        with_kept_memory()
    torch.set_num_threads(1)  # on a CPU the clock counts the seconds of all threads
    set_precision()
    left = Left(args.end)
    print(
        f"{machine(args.device)}; {args.minutes:g} minutes, {left.minutes():.1f} of them after the imports", flush=True
    )
    ends = {name: run_part(name, args, left) for name in args.parts}
    failed = [name for name, end in ends.items() if end == "failed"]
    over = [name for name, end in ends.items() if end == "over"]
    if over:
        print(f"\nNot to their ends, for lack of time: {', '.join(over)}", flush=True)
    if failed:
        print(f"\nFAILED: {', '.join(failed)}", flush=True)
    return int(bool(failed))


def run_part(name: str, args: argparse.Namespace, left: Left) -> str:
    """Run one part within its time; returns how it ended: done, failed, or over."""
    part = PARTS[name]
    if left.minutes() < (part.minutes if args.device != "cpu" else 0):
        print(f"\n{name}: left out, {left.minutes():.1f} minutes are left and it takes about {part.minutes:g}")
        return "over"
    print(f"\n## {name}: {part.about}\n", flush=True)
    started = time.monotonic()
    before = set(multiprocessing.active_children())
    end = "done"
    try:
        with left.at_most(left.minutes() if part.takes_all else LONG_SHARE * part.minutes):
            part.run(args)
    except Over:
        print("\nIts time is used up: what would follow is left out.")
        end = "over"
    except Exception:  # a borrowed GPU is not given back for one part
        traceback.print_exc()
        end = "failed"
    for child in set(multiprocessing.active_children()) - before:  # of a part that did not come to its end
        child.kill()
    if args.device != "cpu":
        torch.cuda.empty_cache()
    print(f"\n({name} took {time.monotonic() - started:.0f} s; guess: {60 * part.minutes:.0f} s)", flush=True)
    return end


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
    args.end = STARTED + 60 * args.minutes
    return args


def machine(device: str) -> str:
    """The device's name and what computes on it."""
    if device == "cpu":
        return f"{platform.processor() or platform.machine()}, torch {torch.__version__}"
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return f"{torch.cuda.get_device_name()}, {memory:.0f} GiB, torch {torch.__version__}, CUDA {torch.version.cuda}"


if __name__ == "__main__":
    sys.exit(main())
