"""Do trainings that run as one network cost less than trainings one after another, or in processes side by side?

    python -m benchmarks.fused                                   # sizes for this machine: for a CPU, or for a GPU
    python -m benchmarks.fused --sides 128 --widths 1 --members 4 8 --processes 2 4 8

A step takes 32 images through a learned mask, forward, backward and the optimiser, by the same functions as a search.
The ways take turns, so that other load on the machine slows all of them; medians are printed, in milliseconds for one
step of one training. On a GPU that is wall time, on a CPU the processor time of one thread. Processes side by side
share the GPU, or have a core each; of several counts the fastest is printed.

Three ways to train M networks as one: convolutions of M groups (a search uses them on a GPU); M convolutions one after
another and the rest as one (a search uses them on a CPU); and torch.func.vmap over the stacked networks, with dropout
written out by hand.
"""

import argparse
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.synthetic import synthetic
from benchmarks.tools import clock_of, parser, print_heads, print_row, with_kept_memory
from tune_ks.core.config import TrialConfig
from tune_ks.model.classifiers.together import (
    CONVOLUTIONS,
    FORMS,
    Layers,
    Noises,
    Together,
    convolve_in_groups,
    convolve_in_turn,
)
from tune_ks.training import pack
from tune_ks.training.train import step
from tune_ks.training.training import Training

BATCH = 32
BATCHES = 4  # of an epoch


class Sizes(NamedTuple):
    """What is measured."""

    sides: list[int]
    widths: list[float]
    members: list[int]  # trainings that run as one
    processes: list[int]
    steps: int  # of a turn


SIZES = {
    "cpu": Sizes([64, 128], [0.25], [4, 8], [os.cpu_count() or 1], 1),
    "cuda": Sizes([128], [0.25, 1.0], [4, 8, 16], [1, 2, 4, 8], 20),
}


class Vmapped:
    """As Together, by torch.func.vmap: the network of one training, over the stacked parameters of all."""

    def __init__(self, networks: Sequence[Sequence[nn.Module]], noises: Sequence[Any]) -> None:
        self.networks = networks
        self.noises = noises

    def __call__(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        size = len(image) // len(self.networks)
        parameters = {}
        factors = {}
        for number, layers in enumerate(zip(*self.networks, strict=True)):
            for name, _ in layers[0].named_parameters():
                parameters[number, name] = torch.stack([getattr(layer, name) for layer in layers])
            if isinstance(layers[0], nn.Dropout) and layers[0].training:
                factors[number] = self._dropout(layers, image.new_ones(size, self._features_after(number)))
        logits = torch.func.vmap(self._network)(parameters, factors, image.unflatten(0, (-1, size)))
        return logits.flatten()

    def _features_after(self, number: int) -> int:
        """How many features a dropout layer sees: those of the next dense layer."""
        return next(layer for layer in self.networks[0][number:] if isinstance(layer, nn.Linear)).in_features

    def _dropout(self, layers: Sequence[nn.Module], ones: Tensor) -> Tensor:
        """What dropout multiplies by, drawn from each training's own random numbers."""
        drawn = []
        for layer, noise in zip(layers, self.noises, strict=True):
            with noise:
                drawn.append(layer(ones))
        return torch.stack(drawn)

    def _network(self, parameters: dict, factors: dict, values: Tensor) -> Tensor:
        for number, layer in enumerate(self.networks[0]):
            of_layer = {name: parameters[number, name] for name, _ in layer.named_parameters()}
            if isinstance(layer, CONVOLUTIONS):
                values = functional.conv2d(values, of_layer["weight"], of_layer["bias"], layer.stride, layer.padding)
            elif isinstance(layer, nn.Dropout):
                values = values * factors[number] if number in factors else values
            elif isinstance(layer, nn.ReLU):
                values = values.relu()  # in place it would write into what vmap shares
            else:
                values = torch.func.functional_call(layer, of_layer, (values,))
        return values


def in_groups(networks: Sequence[Layers], noises: Noises) -> Together:
    """Together, with convolutions of M groups on every device."""
    together = Together(networks, noises)
    together.forms = FORMS | dict.fromkeys(CONVOLUTIONS, convolve_in_groups)
    return together


def in_turn(networks: Sequence[Layers], noises: Noises) -> Together:
    """Together, with M convolutions one after another on every device."""
    together = Together(networks, noises)
    together.forms = FORMS | dict.fromkeys(CONVOLUTIONS, convolve_in_turn)
    return together


IN_TURN = "one after another"
WAYS: dict[str, Callable] = {"groups": in_groups, "in turn": in_turn, "vmap": Vmapped}  # in place of M classifiers


def members_of(count: int, side: int, width: float, device: str) -> list[Training]:
    """Trainings as a search has them: rates, seeds and learning rates differ."""
    config = TrialConfig("GE", 0.25, temperature=1.0, width=width, image_size=side, batch_size=BATCH)
    splits = synthetic(BATCH * BATCHES, side)
    members = []
    for number in range(count):
        changed = replace(config, sampling_rate=(number + 1) / (count + 1), seed=number, lr=1e-4 * (number + 1))
        member = Training(changed, splits, device=device)
        member.begin_epoch()
        members.append(member)
    return members


def seconds_of(members: list[Training], steps: int, together: bool, device: str) -> float:
    """Seconds of ``steps`` training steps of all members, as one or one after another."""
    groups = [members] if together else [[member] for member in members]
    clock = clock_of(device)
    started = clock()
    for number in range(steps):
        for group in groups:
            step(group, [member.draws[number % BATCHES] for member in group])
    return clock() - started


@contextmanager
def trained_as(way: str) -> Iterator[None]:
    """Inside, packs are trained in this way."""
    pack.Together = WAYS.get(way, Together)
    try:
        yield
    finally:
        pack.Together = Together


def serve(pipe: Connection, side: int, width: float, device: str) -> None:
    """A process that trains one network: it receives a number of steps and answers with their seconds."""
    torch.set_num_threads(1)
    members = members_of(1, side, width, device)
    seconds_of(members, 2, False, device)
    pipe.send(0.0)
    while steps := pipe.recv():
        pipe.send(seconds_of(members, steps, False, device))


class Processes:
    """So many trainings side by side, each in a process."""

    def __init__(self, count: int, side: int, width: float, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.device = device
        self.pipes: list[Connection] = []
        self.workers: list[multiprocessing.Process] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            worker = context.Process(target=serve, args=(theirs, side, width, device), daemon=True)
            worker.start()
            theirs.close()  # so that a process that has died ends the waiting with an EOFError
            self.workers.append(worker)
            self.pipes.append(ours)
        for pipe in self.pipes:
            pipe.recv()  # it has warmed up

    def seconds_a_step(self, steps: int) -> float:
        """Seconds that a step of one training costs: on a GPU the wall time that passes, on a CPU those of a core."""
        started = time.perf_counter()
        for pipe in self.pipes:
            pipe.send(steps)
        taken = [pipe.recv() for pipe in self.pipes]
        if self.device == "cpu":
            return statistics.mean(taken) / steps
        return (time.perf_counter() - started) / steps / len(self.pipes)

    def close(self) -> None:
        for pipe, worker in zip(self.pipes, self.workers, strict=True):
            pipe.send(0)
            worker.join()


def side_by_side(side: int, width: float, sizes: Sizes, device: str, repeats: int) -> tuple[float, int]:
    """(median seconds of a step, number of processes) for the fastest number of processes."""
    medians = []
    for count in sizes.processes:
        running = Processes(count, side, width, device)
        medians.append(statistics.median(running.seconds_a_step(sizes.steps) for _ in range(repeats)))
        running.close()
    fastest = min(medians)
    return fastest, sizes.processes[medians.index(fastest)]


def as_one(count: int, side: int, width: float, steps: int, device: str, repeats: int) -> dict[str, float]:
    """Way -> median seconds of a step of one training, for ``count`` trainings as one; and one after another."""
    members = members_of(count, side, width, device)
    seconds: dict[str, list[float]] = {name: [] for name in (IN_TURN, *WAYS)}
    for turn in range(repeats + 1):
        for name, of_way in seconds.items():
            with trained_as(name):
                taken = seconds_of(members, steps, name in WAYS, device)
            if turn > 0:  # the first turn warms up
                of_way.append(taken / steps / count)
    return {name: statistics.median(of_way) for name, of_way in seconds.items()}


def print_size(side: int, width: float, sizes: Sizes, device: str, repeats: int) -> None:
    """One row for each number of members."""
    beside, processes = side_by_side(side, width, sizes, device, repeats)
    for count in sizes.members:
        medians = as_one(count, side, width, sizes.steps, device, repeats)
        in_turn = medians.pop(IN_TURN)
        fastest = min(medians.values())
        row = [f"{side}", f"{width:g}", f"{count}", f"{1e3 * in_turn:.2f}", f"{1e3 * beside:.2f} ({processes})"]
        row += [f"{1e3 * seconds:.2f}" for seconds in medians.values()]
        print_row([*row, f"{in_turn / fastest:.2f}", f"{beside / fastest:.2f}"])


def main() -> None:
    """Print one table."""
    arguments = parser(__doc__)
    default = "cuda" if torch.cuda.is_available() else "cpu"
    arguments.add_argument("--device", default=default, choices=list(SIZES))
    arguments.add_argument("--sides", type=int, nargs="+")
    arguments.add_argument("--widths", type=float, nargs="+")
    arguments.add_argument("--members", type=int, nargs="+")
    arguments.add_argument("--processes", type=int, nargs="+")
    arguments.add_argument("--repeats", type=int, default=7)
    args = arguments.parse_args()
    with_kept_memory()
    torch.set_num_threads(1)
    sizes = sizes_of(args)
    machine = torch.cuda.get_device_name() if args.device == "cuda" else f"{platform.machine()}, {os.cpu_count()} cores"
    print(
        f"{machine}, torch {torch.__version__}; AlexNet, batch {BATCH}, {args.repeats} turns; ms a training and step\n"
    )
    print_table_heads()
    for side in sizes.sides:
        for width in sizes.widths:
            print_size(side, width, sizes, args.device, args.repeats)


def print_table_heads() -> None:
    """The heads of the table whose rows ``print_size`` prints."""
    ways = [f"as one: {name}" for name in WAYS]
    against = ["the best one against one after another", "against processes"]
    print_heads(["px", "width", "M", IN_TURN, "processes side by side (how many)", *ways, *against])


def sizes_of(args: argparse.Namespace) -> Sizes:
    """The device's sizes, with what was given in their place."""
    given = {name: getattr(args, name) for name in ("sides", "widths", "members", "processes")}
    return SIZES[args.device]._replace(**{name: value for name, value in given.items() if value})


if __name__ == "__main__":
    main()
