"""Which parameters learn, and how fast: the groups of the optimiser."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter

from tune_ks.core.config import TrialConfig
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.tasks import Task


def build_optimiser(config: TrialConfig, pipeline: KSpaceClassifier, task: Task) -> torch.optim.Optimizer:
    """AdamW at ``lr``, the mask at its multiple of it, ``slow`` parts at ``slow_lr_multiplier`` times theirs.

    ``frozen`` parts are in no group and get no gradient; what is named as both is frozen. ValueError for a name that
    no parameter has, and where nothing is left that could learn.
    """
    learning = dict(pipeline.named_parameters())
    slow = matching(learning, config.slow, "slow")
    for name in matching(learning, config.frozen, "frozen"):
        learning.pop(name).requires_grad_(False)
    if not learning:
        raise ValueError(f"frozen {config.frozen!r} leaves nothing of the network to learn")
    network = [name for part in ("reconstruction.", "classifier.") for name in learning if name.startswith(part)]
    mask = [name for name in learning if name.startswith("sampling.")]
    mask_lr = config.lr * config.mask_lr_multiplier
    groups = [
        {"params": [*_chosen(learning, network, slow, False), *task.parameters()], "lr": config.lr},
        {"params": _chosen(learning, network, slow, True), "lr": config.lr * config.slow_lr_multiplier},
        # no decay of the mask: it would pull every probability to one half
        {"params": _chosen(learning, mask, slow, False), "lr": mask_lr, "weight_decay": 0.0},
        {"params": _chosen(learning, mask, slow, True), "lr": mask_lr * config.slow_lr_multiplier, "weight_decay": 0.0},
    ]
    filled = [group for group in groups if group["params"]]
    return torch.optim.AdamW(filled, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def _chosen(parameters: dict[str, Parameter], names: list[str], slow: set[str], is_slow: bool) -> list[Parameter]:
    """The parameters of these names that are slow, or those that are not."""
    return [parameters[name] for name in names if (name in slow) == is_slow]


def resume_optimiser(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load its state, laid out in memory as its parameters are.

    A fused step goes through both by address alone: moments of another layout (of an earlier version's checkpoint)
    would be taken for those of other weights, without an error.
    """
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(value)


def start_epoch(config: TrialConfig, pipeline: KSpaceClassifier) -> None:
    """Training mode, but for the running statistics of what is frozen: they stay too."""
    pipeline.train()
    for name, module in pipeline.named_modules():
        if getattr(module, "track_running_stats", False) and _is_in(name, config.frozen.split()):
            module.eval()


def matching(names: Iterable[str], prefixes: str, field: str) -> set[str]:
    """The parameters' names that lie in one of the space-separated ``prefixes``. ValueError where one holds none."""
    names = list(names)
    found = {name for name in names if _is_in(name, prefixes.split())}
    for prefix in prefixes.split():
        if not any(_is_in(name, [prefix]) for name in names):
            modules = sorted({".".join(name.split(".")[:2]) for name in names} | {name.split(".")[0] for name in names})
            raise ValueError(
                f"{field} names parts of this network, as {', '.join(modules)} or longer; got {prefix!r}, in which "
                "there is no parameter"
            )
    return found


def _is_in(name: str, prefixes: list[str]) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)
