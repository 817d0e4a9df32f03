"""What does a step gain as a CUDA graph? Its kernels are recorded once and launched together, and nothing is compiled.

A narrow network gains most, because the host then takes longer to launch a step than the GPU to compute it. A trial's
own step cannot be recorded as it is: it exchanges the random state (tune_ks/training/noise.py), and its rates, learning
rate and images change from step to step. What is recorded here are forward, backward and optimiser on fixed images.
"""

import argparse
from collections.abc import Callable

import torch

from benchmarks import layer
from benchmarks.on_gpu.common import LAYER_WAYS, first_line, many, steps_of
from benchmarks.tools import median_seconds, print_heads, print_row

NARROW = 0.25  # width of the spaces for a CPU or a first look
WARM_UP = 3  # steps before the recording: the libraries choose their kernels, and the optimiser makes its moments


def run(args: argparse.Namespace) -> None:
    """One row for each width and way; a step that cannot be recorded has the reason in its row."""
    if args.device == "cpu":
        print("Left out: only a GPU has CUDA graphs.")
        return
    print_heads(["px", "width", "way", "ms a step", "ms as a graph", "times faster"])
    side = args.sides[0]
    for width in dict.fromkeys([args.width, NARROW]):
        for name in LAYER_WAYS[:3]:
            try:
                eager = layer.step(side, width, 0.25, *layer.WAYS[name], args.device)
                replay = captured(layer.step(side, width, 0.25, *layer.WAYS[name], args.device))
                seconds = median_seconds(
                    many({"eager": eager, "graph": replay}, args.device), args.repeats, args.device
                )
            except RuntimeError as error:  # an operation that cannot be recorded
                print_row([side, f"{width:g}", name, "", f"not recorded: {first_line(error)}", ""])
                continue
            eager_ms, graph_ms = (1e3 * seconds[way] / steps_of(args.device) for way in ("eager", "graph"))
            row = [f"{eager_ms:.2f}", f"{graph_ms:.2f}", f"{eager_ms / graph_ms:.2f}"]
            print_row([side, f"{width:g}", name, *row])


def captured(step: Callable[[], object]) -> Callable[[], None]:
    """The step as a CUDA graph; a call of what is returned launches all of it, on the same tensors.

    It must not have run before: autograd remembers the stream of a parameter's first gradient, and the default stream
    cannot be recorded.
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
