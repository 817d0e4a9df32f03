"""What does a mask cost in a training step? In units of a step without one (benchmarks/layer.py)."""

import argparse

from benchmarks import layer
from benchmarks.on_gpu.common import LAYER_WAYS, many, steps_of
from benchmarks.tools import median_seconds, print_heads, print_row

AIM = 1.10  # of learned lines, in unmasked steps


def run(args: argparse.Namespace) -> None:
    """One row a way and side."""
    print_heads(["px", "way", "ms a step", "times the unmasked step"])
    for side in args.sides:
        steps = {name: layer.step(side, args.width, 0.25, *layer.WAYS[name], args.device) for name in LAYER_WAYS}
        seconds = median_seconds(many(steps, args.device), args.repeats, args.device)
        for name, of_way in seconds.items():
            print_row([side, name, f"{1e3 * of_way / steps_of(args.device):.2f}", f"{of_way / seconds['no mask']:.2f}"])
    print(f"\nAim: learned lines at most {AIM:.2f}. Width {args.width:g}, batch {layer.BATCH}.")
