"""What does a step gain as a CUDA graph? Its kernels are recorded once and launched together, and nothing is compiled.

The first table records forward, backward and optimiser on fixed images. The second one has a trial's own step, ordinary
and as ``--record-steps`` replays it (tune_ks/training/recorded.py), with the images, random numbers and learning rate
of each step. A narrow network gains most: the host takes longer to launch its step than the GPU to compute it.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from benchmarks import layer
from benchmarks.launches import KINDS
from benchmarks.on_gpu.common import LAYER_WAYS, first_line, many, steps_of
from benchmarks.on_gpu.steps import BATCHES, steps_of_trainings
from benchmarks.synthetic import synthetic
from benchmarks.tools import median_seconds, print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Splits
from tune_ks.training.recorded import WARM_UP, CudaGraphs, RecordedStep, Recorder
from tune_ks.training.train import learn, step
from tune_ks.training.training import Training

NARROW = 0.25  # width of the spaces for a CPU or a first look
STEPS_OF = ("rate 1", "gumbel", "gumbel, settled")  # of benchmarks/launches.py
HEADS = ["ms a step", "ms as a graph", "times faster"]


class Direct:
    """In place of a GPU's recorder: a replay calls the function, so that all around it can be run without a GPU."""

    def aside(self) -> "Direct":
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *failure: object) -> None: ...

    def record(self, function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return function


def run(args: argparse.Namespace) -> None:
    """One row for each width and way; a step that cannot be recorded has the reason in its row."""
    recorder = Direct() if args.device == "cpu" else CudaGraphs()
    if args.device == "cpu":
        print("Only a GPU has CUDA graphs: here the function is called, and nothing is gained.\n")
    widths = list(dict.fromkeys([args.width, NARROW] if args.device != "cpu" else [args.width]))
    side = args.sides[0]
    print_heads(["px", "width", "way", *HEADS])
    for width in widths:
        for name in LAYER_WAYS[:3]:
            made = [layer.step(side, width, 0.25, *layer.WAYS[name], args.device) for _ in range(2)]
            print_ways([side, f"{width:g}", name], made[0], partial(captured, made[1], recorder), args)
    print()
    print_heads(["px", "width", "a trial's step of", *HEADS])
    splits = synthetic(BATCHES * args.batch, side)
    for width in widths:
        for name in STEPS_OF:
            kind = KINDS[name]
            config = replace(kind.config, width=width, image_size=side, batch_size=args.batch)
            ordinary = steps_of_trainings([config], kind.settled, splits, args.device)
            record = partial(recorded_steps, config, kind.settled, splits, args.device, recorder)
            print_ways([side, f"{width:g}", name], ordinary, record, args)


def print_ways(
    cells: list[object],
    ordinary: Callable[[], object],
    record: Callable[[], Callable[[], object]],
    args: argparse.Namespace,
) -> None:
    """One row; ``record`` makes the step that is replayed."""
    try:
        seconds = median_seconds(many({"eager": ordinary, "graph": record()}, args.device), args.repeats, args.device)
    except RuntimeError as error:  # an operation that cannot be recorded
        print_row([*cells, "", f"not recorded: {first_line(error)}", ""])
        return
    eager_ms, graph_ms = (1e3 * seconds[way] / steps_of(args.device) for way in ("eager", "graph"))
    print_row([*cells, f"{eager_ms:.2f}", f"{graph_ms:.2f}", f"{eager_ms / graph_ms:.2f}"])


def captured(one_step: Callable[[], object], recorder: Recorder) -> Callable[[], object]:
    """The step as a CUDA graph; a call of what is returned launches all of it, on the same tensors."""

    def with_result() -> torch.Tensor:
        one_step()
        return torch.empty(0)

    with recorder.aside():
        for _ in range(WARM_UP):
            one_step()
    return recorder.record(with_result)


def recorded_steps(
    config: TrialConfig, settled: bool, splits: Splits, device: str, recorder: Recorder
) -> Callable[[], torch.Tensor]:
    """The next step of this training, replayed. RuntimeError where it cannot be recorded."""
    training = Training(config, splits, device=device)
    training.history = [{}] if settled else []
    training.begin_epoch()
    recorded = RecordedStep(recorder)
    first = training.steps_done
    take = recorded.of_epoch([training], 1, lambda draws: step([training], draws), learn)

    def next_step() -> torch.Tensor:
        training.steps_done = first + recorded.taken % len(training.draws)  # the epoch is met again and again
        return take([training.draws[recorded.taken % len(training.draws)]])

    for _ in range(WARM_UP + 1):
        next_step()
    if not recorded.replayed:
        raise RuntimeError(recorded.summary)
    return next_step
