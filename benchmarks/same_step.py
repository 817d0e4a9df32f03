"""One training step of every member on a GPU beside the same step on the CPU: its loss and its gradients.

Both start from the same weights and the same images, and draw the same random numbers: those of the CPU. The step is
compared in float32; beside it stands how far the step as it is trained, with the network in bfloat16, is from it.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from benchmarks.synthetic import synthetic
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Splits
from tune_ks.model.classifiers import MAPPERS, NO_NETWORK
from tune_ks.training.invariances import INVARIANCES
from tune_ks.training.members import config_from, owners, registries, require_own_options
from tune_ks.training.train import step
from tune_ks.training.training import Training

BATCH = 8
SMALL = {"width": 0.05, "image_size": 64, "batch_size": BATCH, "epochs": 2, "dropout": 0.0}
DRAWS = {"rand", "rand_like", "randn", "randn_like", "bernoulli", "uniform_", "exponential_", "normal_", "bernoulli_"}
DRAWS |= {"randint", "randperm"}  # dropout is 0 here: it passes gradients on, which a draw does not
NOT_HERE = {  # members that these images, single slices with one mask, cannot train
    *("volume", "cascade"),  # whole volumes
    *("map", *MAPPERS),  # maps of a field, with its geometry
    *NO_NETWORK,  # nothing is trained
    *(name for name in INVARIANCES if name != "none"),  # images of several vendors
}
PARTNERS = {"task": "classifier", "classifier": "task"}  # a network answers some tasks only
LOSS = 1e-3  # largest relative difference of two losses in float32
GRADIENT = 2e-2  # and of two gradients, by the norm of their difference


class DrawnOnTheCpu(TorchFunctionMode):
    """Inside, random numbers are drawn on the CPU, whichever device they are for."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__name__", "") not in DRAWS:
            return function(*args, **kwargs)
        device = device_of(args, kwargs)
        there = {**kwargs, "device": "cpu"} if "device" in kwargs else kwargs
        drawn = function(*map(on_cpu, args), **{name: on_cpu(value) for name, value in there.items()})
        if function.__name__.endswith("_"):  # in place
            return args[0].copy_(drawn)
        return drawn.to(device)


def device_of(args: Any, kwargs: Any) -> torch.device:
    """The device that random numbers are for."""
    tensors = [value for value in args if isinstance(value, Tensor)]
    return torch.device(kwargs.get("device") or (tensors[0].device if tensors else "cpu"))


def on_cpu(value: Any) -> Any:
    """A tensor's copy on the CPU; other values as they are."""
    return value.detach().cpu() if isinstance(value, Tensor) else value


class Step(NamedTuple):
    """What one step gave."""

    loss: float
    gradients: dict[str, Tensor]  # "mask" and "network" -> all of its gradients in one vector, on the CPU


class Compared(NamedTuple):
    """Relative differences of two steps."""

    loss: float
    gradients: dict[str, float]

    @property
    def same(self) -> bool:
        """Whether they are the same to what float32 gives."""
        return self.loss <= LOSS and all(value <= GRADIENT for value in self.gradients.values())


def every_member() -> Iterator[tuple[str, TrialConfig]]:
    """(name, config) for each member of each registry, and for what changes the path of a step."""
    for field, registry in registries().items():
        for name in registry:
            if name in NOT_HERE:
                continue
            changes = paired(field, name)
            if name == "corruption":
                changes["corruption"] = "blur"
            if field == "reconstruction" and name != "zero_filled":
                changes |= {"reconstruction_channels": 4, "reconstruction_weight": 1.0}
            yield f"{field} {name}", config_of(changes)
    yield "full sampling", config_of({"mask": "lowpass", "sampling_rate": 1.0})
    for pattern in ({}, {"pattern": "points"}):
        name = "points" if pattern else "lines"
        yield f"{name}, conditional", config_of({**pattern, "rate_from": 0.1, "classifier": "alexnet_film"})
        yield f"{name}, falling rate", config_of({**pattern, "rate_start": 0.9})
        yield f"{name}, tied", config_of({**pattern, "hermitian": "tied", "centre_fraction": 0.05})


def paired(field: str, name: str) -> dict[str, Any]:
    """A member; with a task the first network that it takes, with a network the first task that takes it."""
    for partner in registries()[PARTNERS[field]] if field in PARTNERS else ():
        changes = {field: name, PARTNERS[field]: partner}
        try:
            require_own_options(config_of(changes))
        except ValueError:
            continue
        return changes
    return {field: name}


def config_of(changes: dict[str, Any]) -> TrialConfig:
    """A small training with these changes."""
    with_temperature = {member for _, member, _ in owners()["temperature"]}
    drawn = {"temperature": 1.0} if changes.get("mask", "gumbel") in with_temperature else {}
    return config_from({"vendor": "GE", "sampling_rate": 0.5, **SMALL, **drawn, **changes})


def stepped(config: TrialConfig, splits: Splits, device: str, bfloat16: bool = False) -> Step:
    """The first step of a training."""
    torch.manual_seed(0)
    training = Training(config, splits, device=device)
    training.begin_epoch()
    same = contextlib.nullcontext()
    plain = same if bfloat16 else mock.patch("torch.autocast", return_value=same)
    with DrawnOnTheCpu(), plain, float32_products(not bfloat16):
        loss = float(step([training], [training.draws[0]])[0])
    gradients: dict[str, list[Tensor]] = {}
    for name, parameter in training.pipeline.named_parameters():
        part = "mask" if name.startswith("sampling.") else "network"
        if parameter.grad is not None:
            gradients.setdefault(part, []).append(parameter.grad.detach().cpu().double().flatten())
    return Step(loss, {part: torch.cat(values) for part, values in gradients.items()})


@contextlib.contextmanager
def float32_products(wanted: bool) -> Iterator[None]:
    """Inside, a GPU multiplies in float32 where it is ``wanted``; TF32 keeps ten bits of a number."""
    before = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    if wanted:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def compared(one: Step, other: Step) -> Compared:
    """How far ``other`` is from ``one``; infinite where one of them has gradients that the other lacks."""
    gradients = {}
    for part in {*one.gradients, *other.gradients}:
        here, there = one.gradients.get(part), other.gradients.get(part)
        if here is None or there is None or here.shape != there.shape:
            gradients[part] = math.inf
        else:
            gradients[part] = float((there - here).norm() / here.norm().clamp_min(1e-12))
    return Compared(abs(other.loss - one.loss) / max(abs(one.loss), 1e-12), gradients)


def images(masks: bool) -> Splits:
    """The images of the steps."""
    return synthetic(2 * BATCH, 64, masks)
