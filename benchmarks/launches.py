"""How many operations does a training step launch on a GPU, alone and in a pack? Counted on a simulated GPU.

    python -m benchmarks.launches                       # one training, and packs of 8
    python -m benchmarks.launches --members 16 --where  # also which operations of the second kind of pack, from where

Tensors say that they lie on ``cuda:0`` and are computed on the CPU (``tests/simulated_gpu.py``); a launch is an
operation that is no view. On a card an operation on a list of many small tensors takes several kernels. What the counts
show is how they grow with the members.

AlexNet at 64 px, Fourier lines at rate 0.25. The members of the first kind of pack differ in their seeds only, those of
the second also in rate, temperature, learning rate and weight decay.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.synthetic import synthetic
from benchmarks.tools import parser, print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.training import training as training_module
from tune_ks.training.noise import Noise
from tune_ks.training.train import step
from tune_ks.training.training import Training

TESTS = str(Path(__file__).parents[1] / "tests")
BATCH = 8
FIELDS = {"width": 0.05, "image_size": 64, "batch_size": BATCH, "epochs": 2, "settle": 0.5}
RATES = (0.25, 0.5, 0.75)
TEMPERATURES = (0.5, 1.0, 2.0)
LEARNING_RATES = (1e-4, 3e-4, 1e-3)
WEIGHT_DECAYS = (0.0, 0.01)


class Kind(NamedTuple):
    """A kind of step: a training's, in its first epoch or in the last one, in which the mask is settled."""

    config: TrialConfig
    settled: bool = False


GUMBEL = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS)
KINDS = {
    "rate 1": Kind(TrialConfig("GE", 1.0, mask="lowpass", **FIELDS)),
    "gumbel": Kind(GUMBEL),
    "gumbel, settled": Kind(GUMBEL, settled=True),
    "loupe": Kind(replace(GUMBEL, mask="loupe", temperature=None)),
    "dps": Kind(replace(GUMBEL, mask="dps")),
    "dps, settled": Kind(replace(GUMBEL, mask="dps"), settled=True),
    "lowpass under warp": Kind(TrialConfig("GE", 0.25, mask="lowpass", augment="warp", **FIELDS)),
}


def seeds(config: TrialConfig, count: int) -> list[TrialConfig]:
    """The configs of a pack that differ in their seeds only."""
    return [replace(config, seed=seed) for seed in range(count)]


def differing(config: TrialConfig, count: int) -> list[TrialConfig]:
    """The configs of a pack that differ in seed, rate, temperature, learning rate and weight decay."""
    configs = []
    for number in range(count):
        changes: dict[str, Any] = {"seed": number, "lr": LEARNING_RATES[number % 3]}
        changes["weight_decay"] = WEIGHT_DECAYS[number % 2]
        if not config.is_full:
            changes["sampling_rate"] = RATES[number % 3]
        if "temperature" in config.options:
            changes["temperature"] = TEMPERATURES[number % 3]
        configs.append(replace(config, **changes))
    return configs


def launched(configs: list[TrialConfig], settled: bool, gpu: Any) -> Counter[tuple[str, str]]:
    """(place in the package, operation) -> launches of an epoch's second step; the first one makes the moments."""
    splits = synthetic(2 * BATCH, 64)
    trainings = [Training(config, splits, device="cuda", together=len(configs)) for config in configs]
    for training in trainings:
        training.history = [{}] if settled else []
        training.begin_epoch()
    for number in (0, 1):
        gpu.clear()
        step(trainings, [training.draws[number] for training in trainings])
    return Counter(gpu.launched)


@contextmanager
def simulated() -> Iterator[Any]:
    """A simulated GPU. Its random generators are the CPU's."""
    import pytest

    from simulated_gpu import simulated_gpu  # of the tests

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training_module, "Noise", lambda seed, device: Noise(seed))
        with simulated_gpu(patched) as gpu:
            yield gpu


def main() -> None:
    """Print one row for each kind of step."""
    arguments = parser(__doc__)
    arguments.add_argument("--members", type=int, default=8, help="trainings of a pack")
    arguments.add_argument("--where", action="store_true", help="also which operations a pack launches, from where")
    args = arguments.parse_args()
    sys.path.insert(0, TESTS)
    torch.set_num_threads(1)
    packs: dict[str, Callable] = {f"{args.members} seeds": seeds, f"{args.members} that differ": differing}
    print_heads(["a step of", "one training", *packs, "times one training"])
    for name, kind in KINDS.items():
        with simulated() as gpu:
            alone = launched([kind.config], kind.settled, gpu).total()
            counts = [launched(pack(kind.config, args.members), kind.settled, gpu) for pack in packs.values()]
        totals = [count.total() for count in counts]
        print_row([name, alone, *totals, ", ".join(f"{total / alone:.1f}" for total in totals)])
        if args.where:
            for (place, operation), count in counts[-1].most_common():
                print(f"    {count:4d}  {operation:34s} {place}")


if __name__ == "__main__":
    main()
