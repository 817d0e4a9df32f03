"""Trainings as one against one after another and against processes side by side: what each costs a training and step.

    python benchmarks/fused.py                                   # this machine's sizes: of a CPU, or of a GPU
    python benchmarks/fused.py --sides 128 --widths 1 --members 4 8 --processes 2 4 8

Steps of 32 images: sampling by a learned mask, forward, backward, optimiser, through the same functions as a search.
The ways take turns, so that whatever else the machine does falls on all of them, and the medians are told. On a GPU
milliseconds are of the wall clock, on a CPU of one thread's processor time: there a core does what it does, and each
way can have them all. Processes side by side share the GPU, or have a core each; of several counts the best is told.

The ways to train as one: convolutions of M groups (what a search uses on a GPU), M convolutions one after another with
the rest as one (what it uses on a CPU), and torch.func.vmap over the stacked networks, dropout written out by hand.
"""

import argparse
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from as_a_worker import keep_freed
from gpu import synthetic
from torch import Tensor, nn
from torch.nn import functional
from turns import clock_of

from tune_ks.core.config import TrialConfig
from tune_ks.model.classifiers.together import CONVOLUTIONS, Together, convolve_in_groups, convolve_in_turn
from tune_ks.training import pack
from tune_ks.training.train import step
from tune_ks.training.training import Training

BATCH, BATCHES = 32, 4
SIZES = {  # device -> sides, widths, members, processes, steps of a turn
    "cpu": ([64, 128], [0.25], [4, 8], [os.cpu_count() or 1], 1),
    "cuda": ([128], [0.25, 1.0], [4, 8, 16], [1, 2, 4, 8], 20),
}


class Vmapped:
    """As Together, by torch.func.vmap: one training's network as it is, over the stacked parameters of all."""

    def __init__(self, networks: Sequence[Sequence[nn.Module]], noises: Sequence[Any]) -> None:
        self.networks, self.noises = networks, noises

    def __call__(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        size = len(image) // len(self.networks)
        stacked, factors = {}, {}
        for number, layers in enumerate(zip(*self.networks, strict=True)):
            for name, _ in layers[0].named_parameters():
                stacked[number, name] = torch.stack([getattr(layer, name) for layer in layers])
            if isinstance(layers[0], nn.Dropout) and layers[0].training:
                width = next(one for one in self.networks[0][number:] if isinstance(one, nn.Linear)).in_features
                factors[number] = self._factors(layers, image.new_ones(size, width))
        found = torch.func.vmap(self._one)(stacked, factors, image.unflatten(0, (-1, size)))
        return found.flatten()

    def _factors(self, layers: Sequence[nn.Module], ones: Tensor) -> Tensor:
        drawn = []
        for layer, noise in zip(layers, self.noises, strict=True):
            with noise:
                drawn.append(layer(ones))
        return torch.stack(drawn)

    def _one(self, parameters: dict, factors: dict, values: Tensor) -> Tensor:
        for number, layer in enumerate(self.networks[0]):
            own = {name: parameters[number, name] for name, _ in layer.named_parameters()}
            if isinstance(layer, CONVOLUTIONS):
                values = functional.conv2d(values, own["weight"], own["bias"], layer.stride, layer.padding)
            elif isinstance(layer, nn.Dropout):
                values = values * factors[number] if number in factors else values
            elif isinstance(layer, nn.ReLU):
                values = values.relu()  # in place it would write into what vmap shares
            else:
                values = torch.func.functional_call(layer, own, (values,))
        return values


WAYS = {  # name -> what takes the place of the M classifiers
    "groups": lambda networks, noises: Together(networks, noises, convolve_in_groups),
    "in turn": lambda networks, noises: Together(networks, noises, convolve_in_turn),
    "vmap": Vmapped,
}


def members_of(count: int, side: int, width: float, device: str) -> list[Training]:
    """As a search has them: rates, seeds and learning rates differ."""
    config = TrialConfig("GE", 0.25, temperature=1.0, width=width, image_size=side, batch_size=BATCH)
    splits, found = synthetic(BATCH * BATCHES, side), []
    for number in range(count):
        own = replace(config, sampling_rate=(number + 1) / (count + 1), seed=number, lr=1e-4 * (number + 1))
        found.append(Training(own, splits, device=device))
        found[-1].begin_epoch()
    return found


def timed(members: list[Training], count: int, together: bool, device: str) -> float:
    """Seconds that ``count`` training steps of all take, as one or one after another: see the top for which seconds."""
    groups = [members] if together else [[member] for member in members]
    clock = clock_of(device)
    started = clock()
    for number in range(count):
        for group in groups:
            step(group, [member.draws[number % BATCHES] for member in group])
    return clock() - started


def serve(pipe: Any, side: int, width: float, device: str) -> None:
    """A process that trains one member, so many steps whenever it is told to, and answers how long they took."""
    torch.set_num_threads(1)
    members = members_of(1, side, width, device)
    timed(members, 2, False, device)
    pipe.send(0.0)
    while count := pipe.recv():
        pipe.send(timed(members, count, False, device))


class Processes:
    """So many trainings side by side, each in its own process."""

    def __init__(self, count: int, side: int, width: float, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.device, self.pipes, self.workers = device, [], []
        for _ in range(count):
            ours, theirs = context.Pipe()
            self.workers.append(context.Process(target=serve, args=(theirs, side, width, device), daemon=True))
            self.workers[-1].start()
            self.pipes.append(ours)
        for pipe in self.pipes:
            pipe.recv()

    def __call__(self, count: int) -> float:
        """Seconds that a step of one training costs: on a GPU of all that pass, on a CPU of one core."""
        started = time.perf_counter()
        for pipe in self.pipes:
            pipe.send(count)
        taken = [pipe.recv() for pipe in self.pipes]
        if self.device == "cpu":
            return statistics.mean(taken) / count
        return (time.perf_counter() - started) / count / len(self.pipes)

    def close(self) -> None:
        for pipe, worker in zip(self.pipes, self.workers, strict=True):
            pipe.send(0)
            worker.join()


def compare(
    side: int, width: float, counts: list[int], processes: list[int], device: str, count: int, repeats: int
) -> None:
    """Print a line for each number of members."""
    beside: dict[int, list[float]] = {number: [] for number in processes}
    for number in processes:
        running = Processes(number, side, width, device)
        beside[number] = [running(count) for _ in range(repeats)]
        running.close()
    best = min(processes, key=lambda number: statistics.median(beside[number]))
    for together in counts:
        members = members_of(together, side, width, device)
        found: dict[str, list[float]] = {name: [] for name in ("one after another", *WAYS)}
        for turn in range(repeats + 1):
            for name, seconds in found.items():
                pack.Together = WAYS.get(name, Together)
                run = timed(members, count, name in WAYS, device) / count / together
                if turn:  # the first warms up
                    seconds.append(run)
        pack.Together = Together
        alone, side_by_side = statistics.median(found["one after another"]), statistics.median(beside[best])
        ways = {name: statistics.median(found[name]) for name in WAYS}
        fastest = min(ways.values())
        cells = [f"{side}", f"{width:g}", f"{together}", f"{1e3 * alone:.2f}", f"{1e3 * side_by_side:.2f} ({best})"]
        cells += [f"{1e3 * seconds:.2f}" for seconds in ways.values()]
        cells += [f"{alone / fastest:.2f}", f"{side_by_side / fastest:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=device, choices=["cpu", "cuda"])
    parser.add_argument("--sides", type=int, nargs="+")
    parser.add_argument("--widths", type=float, nargs="+")
    parser.add_argument("--members", type=int, nargs="+")
    parser.add_argument("--processes", type=int, nargs="+")
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    keep_freed()
    sides, widths, members, processes, count = SIZES[args.device]
    torch.set_num_threads(1)
    where = torch.cuda.get_device_name() if args.device == "cuda" else f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"{where}, torch {torch.__version__}; AlexNet, batch {BATCH}, {args.repeats} turns; ms a training and step\n")
    heads = ["px", "width", "M", "one after another", "processes side by side (how many)"]
    heads += [f"as one: {name}" for name in WAYS] + ["the best one against one after another", "against processes"]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for side in args.sides or sides:
        for width in args.widths or widths:
            chosen = (args.members or members, args.processes or processes, args.device)
            compare(side, width, *chosen, count, args.repeats)


if __name__ == "__main__":
    main()
