"""The optimiser: which parameters are trained, and at which learning rate."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter

from tune_ks.core.config import TrialConfig
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.adamw import AdamW
from tune_ks.training.tasks.base import Task


def build_optimiser(config: TrialConfig, pipeline: KSpaceClassifier, task: Task) -> AdamW:
    """AdamW: the network at ``lr``, the mask at ``mask_lr_multiplier`` times ``lr``.

    The ``slow`` parts of both learn at ``slow_lr_multiplier`` times that rate. ``frozen`` parts are in no group and get
    no gradient; a part named as both is frozen. ValueError for a name that no parameter has, and where every parameter
    is frozen. A pipeline without any parameter has an optimiser without groups.
    """
    learning = dict(pipeline.named_parameters())
    slow = matching(learning, config.slow, "slow")
    for name in matching(learning, config.frozen, "frozen"):
        learning.pop(name).requires_grad_(False)
    if not learning and config.frozen:
        raise ValueError(f"frozen {config.frozen!r} leaves nothing of the network to learn")
    reconstruction = [name for name in learning if name.startswith("reconstruction.")]
    network = reconstruction + [name for name in learning if name.startswith("classifier.")]
    mask = [name for name in learning if name.startswith("sampling.")]
    mask_lr = config.lr * config.mask_lr_multiplier
    of_mask: dict[str, Any] = {"weight_decay": 0.0}  # weight decay would pull every probability towards 1/2
    if config.mask_moment == "shared":
        of_mask["shared"] = True
    groups = [
        {"params": [*_chosen(learning, network, slow, False), *task.parameters()], "lr": config.lr},
        {"params": _chosen(learning, network, slow, True), "lr": config.lr * config.slow_lr_multiplier},
        {"params": _chosen(learning, mask, slow, False), "lr": mask_lr, **of_mask},
        {"params": _chosen(learning, mask, slow, True), "lr": mask_lr * config.slow_lr_multiplier, **of_mask},
    ]
    filled = [group for group in groups if group["params"]]
    return AdamW(filled, config.weight_decay)


def _chosen(parameters: dict[str, Parameter], names: list[str], slow: set[str], is_slow: bool) -> list[Parameter]:
    """The parameters in ``names`` that are in ``slow``; those that are not where ``is_slow`` is False."""
    return [parameters[name] for name in names if (name in slow) == is_slow]


def is_of_mask(optimizer: AdamW, pipeline: KSpaceClassifier) -> list[bool]:
    """Whether each of the optimiser's groups holds the mask's parameters."""
    of_mask = set(pipeline.sampling.parameters())
    return [group["params"][0] in of_mask for group in optimizer.param_groups]


def clip_gradient(optimizer: AdamW, norm: float) -> None:
    """Scale the gradient of all parameters together down to ``norm`` where it is longer (Pascanu et al., ICML 2013)."""
    torch.nn.utils.clip_grad_norm_(optimizer.parameters(), norm)


def start_epoch(config: TrialConfig, pipeline: KSpaceClassifier) -> None:
    """Training mode, except for the running statistics of frozen parts, which must not change either."""
    pipeline.train()
    for name, module in pipeline.named_modules():
        if getattr(module, "track_running_stats", False) and _is_in(name, config.frozen.split()):
            module.eval()


def matching(names: Iterable[str], prefixes: str, field: str) -> set[str]:
    """The names under one of the space-separated ``prefixes``. ValueError for a prefix without a parameter."""
    names = list(names)
    matched = {name for name in names if _is_in(name, prefixes.split())}
    for prefix in prefixes.split():
        if not any(_is_in(name, [prefix]) for name in names):
            modules = sorted({".".join(name.split(".")[:2]) for name in names} | {name.split(".")[0] for name in names})
            raise ValueError(
                f"{field} names parts of this network, as {', '.join(modules)} or longer; got {prefix!r}, in which "
                "there is no parameter"
            )
    return matched


def _is_in(name: str, prefixes: list[str]) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)
