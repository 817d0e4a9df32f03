"""How many operations does a training step launch on a GPU, alone and in a pack? Counted on a simulated GPU.

    python -m benchmarks.launches                     # one training, and packs of 8 by seeds and by all that may differ
    python -m benchmarks.launches --members 16 --where          # also which operations, from where

Tensors say that they lie on ``cuda:0`` and are computed on the CPU (``tests/simulated_gpu.py``), so a launch is an
operation that is no view. On a card some operations launch more than one kernel, those on lists of small tensors above
all; what the counts say is how they grow with the members. AlexNet at 64 px, Fourier lines, flips, the second of two
epochs where the mask is settled, else the first.
"""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.synthetic import synthetic
from benchmarks.tools import parser, print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Splits
from tune_ks.training import training as training_module
from tune_ks.training.noise import Noise
from tune_ks.training.train import step
from tune_ks.training.training import Training

TESTS = str(Path(__file__).parents[1] / "tests")
BATCH = 8
FIELDS = {"width": 0.05, "image_size": 64, "batch_size": BATCH, "epochs": 2, "settle": 0.5, "augment": "flips"}
DIFFERING = {"lr": (1e-4, 3e-4, 1e-3), "weight_decay": (0.0, 0.01), "temperature": (0.5, 1.0, 2.0)}


class Step(NamedTuple):
    """A kind of step that is counted."""

    config: TrialConfig
    settled: bool = False


def steps_counted() -> dict[str, Step]:
    """Name -> what is counted."""
    gumbel = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS)
    loupe = replace(gumbel, mask="loupe", temperature=None)
    dps = replace(gumbel, mask="dps")
    return {
        "rate 1": Step(TrialConfig("GE", 1.0, mask="lowpass", **FIELDS)),
        "gumbel": Step(gumbel),
        "gumbel, settled": Step(gumbel, settled=True),
        "loupe": Step(loupe),
        "dps": Step(dps),
        "dps, settled": Step(dps, settled=True),
        "lowpass under warp": Step(TrialConfig("GE", 0.25, mask="lowpass", **{**FIELDS, "augment": "warp"})),
    }


def by_seeds(config: TrialConfig, count: int) -> list[TrialConfig]:
    """The configs of a pack that differ in their seeds only."""
    return [replace(config, seed=seed) for seed in range(count)]


def by_all(config: TrialConfig, count: int) -> list[TrialConfig]:
    """The configs of a pack that differ in seed, rate, learning rate, weight decay and temperature."""
    configs = []
    for number, of_seed in enumerate(by_seeds(config, count)):
        changes = {name: values[number % len(values)] for name, values in DIFFERING.items()}
        if config.options.get("temperature") is None:
            del changes["temperature"]
        if config.sampling_rate < 1:
            changes["sampling_rate"] = (1 + number % 3) / 4
        configs.append(replace(of_seed, **changes))
    return configs


def launched(configs: list[TrialConfig], splits: Splits, settled: bool, gpu) -> Counter:
    """(place in the package, operation) -> launches of the second step of an epoch; the first one makes the moments."""
    trainings = [Training(config, splits, device="cuda", together=len(configs)) for config in configs]
    for training in trainings:
        training.history = [{}] if settled else []
        training.begin_epoch()
    for number in (0, 1):
        gpu.clear()
        step(trainings, [training.draws[number] for training in trainings])
    return Counter(gpu.launched)


def main() -> None:
    """Print one row for each kind of step."""
    arguments = parser(__doc__)
    arguments.add_argument("--members", type=int, default=8, help="trainings of a pack")
    arguments.add_argument("--where", action="store_true", help="also which operations of the pack by all, from where")
    args = arguments.parse_args()
    sys.path.insert(0, TESTS)
    print_table(args)


def print_table(args: argparse.Namespace) -> None:
    """One row for each kind of step."""
    from pytest import MonkeyPatch
    from simulated_gpu import simulated_gpu

    torch.set_num_threads(1)
    print_heads(["a step of", "one training", f"{args.members} seeds", "times", f"{args.members} that differ", "times"])
    for name, (config, settled) in steps_counted().items():
        counts = []
        for configs in ([config], by_seeds(config, args.members), by_all(config, args.members)):
            splits = synthetic(2 * BATCH, 64)
            with MonkeyPatch.context() as patched:
                patched.setattr(training_module, "Noise", lambda seed, device="cpu": Noise(seed))
                with simulated_gpu(patched) as gpu:
                    counts.append(launched(configs, splits, settled, gpu))
        alone, seeds, differing = (count.total() for count in counts)
        print_row([name, alone, seeds, f"{seeds / alone:.1f}", differing, f"{differing / alone:.1f}"])
        if args.where:
            for (place, operation), count in counts[-1].most_common():
                if count > 2:
                    print(f"    {count:4d}  {operation:30s} {place}")


if __name__ == "__main__":
    main()
