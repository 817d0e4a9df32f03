"""What do torch.compile's steps gain? Mode "reduce-overhead" fuses operations and records CUDA graphs of them."""

import argparse

from benchmarks import layer
from benchmarks.on_gpu.common import LAYER_WAYS, first_line, many, steps_of
from benchmarks.tools import median_seconds, print_heads, print_row


def run(args: argparse.Namespace) -> None:
    """One row for each way, eager and compiled; a way that cannot be compiled has the reason in its row."""
    print_heads(["px", "way", "ms a step", "ms compiled", "times faster"])
    side = args.sides[0]
    for name in LAYER_WAYS[:3]:
        eager = layer.step(side, args.width, 0.25, *layer.WAYS[name], args.device)
        try:
            quick = layer.step(side, args.width, 0.25, *layer.WAYS[name], args.device, compiled=True)
            quick()  # compiles
            steps = many({"eager": eager, "compiled": quick}, args.device)
            seconds = median_seconds(steps, args.repeats, args.device)
        except Exception as error:  # the compiler, its backend or the driver
            print_row([side, name, "", f"not compiled: {first_line(error)}", ""])
            continue
        eager_ms, quick_ms = (1e3 * seconds[way] / steps_of(args.device) for way in ("eager", "compiled"))
        print_row([side, name, f"{eager_ms:.2f}", f"{quick_ms:.2f}", f"{eager_ms / quick_ms:.2f}"])
