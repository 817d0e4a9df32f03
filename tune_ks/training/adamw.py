"""AdamW on torch's fused kernel, with the bits and the state of ``torch.optim.AdamW(fused=True)``.

Own code because the first use of any class of ``torch.optim`` imports torch's compiler (torch._dynamo), which takes
every process of a search one to three seconds and 800 modules; nothing here is compiled.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

BETAS = (0.9, 0.999)
EPSILON = 1e-8
CONSTANTS = {  # the other entries of a group, as torch.optim.AdamW writes them into its state
    "betas": BETAS,
    "eps": EPSILON,
    "amsgrad": False,
    "maximize": False,
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": True,
    "decoupled_weight_decay": True,
}


class AdamW:
    """Decoupled weight decay (Loshchilov and Hutter, ICLR 2019) for float32 parameters on one device.

    ``groups`` are dicts of ``params`` and ``lr``, and of ``weight_decay`` where it is not the given one. In a group
    with ``shared`` True all values of a parameter are divided by one mean square, that of all of its gradients. Values
    whose gradients are only noise then stay where they are; with a mean square of their own they would move as far as
    all others.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], weight_decay: float) -> None:
        self.param_groups = []
        for group in groups:
            self.param_groups.append({"weight_decay": weight_decay, **CONSTANTS, **group})
        self.state: dict[Parameter, dict[str, Tensor]] = {}

    def parameters(self) -> list[Parameter]:
        """Every parameter, in the order of the groups."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def zero_grad(self) -> None:
        """Forget every gradient."""
        for parameter in self.parameters():
            parameter.grad = None

    def step(self, skip: Tensor, factors: Sequence[float] | Tensor | None = None) -> None:
        """One step of every parameter that has a gradient; none where ``skip`` is 1 (a float on the device, 0 or 1).

        ``factors`` are multiplied into the groups' learning rates, one a group: numbers, or a float32 tensor on the
        device, with which the rates are rounded to float32. The host does not wait for the device.
        """
        step_together([Update(self, skip, factors)])

    def moments(self, parameter: Parameter) -> dict[str, Tensor]:
        """Number of steps, mean and mean square of the gradient; zeros before the first step."""
        if parameter not in self.state:
            self.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self.state[parameter]

    def restart(self) -> None:
        """Begin with zero moments again; a ``state_dict`` that was taken before keeps those of its time."""
        self.state = {}

    def release(self) -> None:
        """Forget every gradient and moment, also those in a ``state_dict`` that was taken before."""
        self.zero_grad()
        for moments in self.state.values():
            moments.clear()
        self.state = {}

    def state_dict(self) -> dict[str, Any]:
        """The state in the layout of torch.optim.AdamW. The tensors are not copied."""
        numbers = {parameter: number for number, parameter in enumerate(self.parameters())}
        groups = [dict(group) for group in self.param_groups]
        for group in groups:
            group["params"] = [numbers[parameter] for parameter in group["params"]]
        state = {numbers[parameter]: moments for parameter, moments in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict``. Every moment gets device and memory layout of its parameter.

        The fused kernel pairs moments and weights by their position in memory: moments in another layout, from a
        checkpoint of an earlier version, would silently be applied to the wrong weights. Learning rates and weight
        decay stay those of this optimiser. ValueError where the groups are of another size.
        """
        sizes_here = [len(group["params"]) for group in self.param_groups]
        sizes_there = [len(group["params"]) for group in state["param_groups"]]
        if sizes_here != sizes_there:
            raise ValueError(f"the optimiser has groups of {sizes_here} parameters, and its state of {sizes_there}")
        parameters = self.parameters()
        self.state = {}
        for number, moments in state["state"].items():
            parameter = parameters[number]
            self.state[parameter] = {
                "step": moments["step"].to(parameter.device, torch.float32, copy=True),
                "exp_avg": torch.empty_like(parameter).copy_(moments["exp_avg"]),
                "exp_avg_sq": torch.empty_like(parameter).copy_(moments["exp_avg_sq"]),
            }


class Update(NamedTuple):
    """A step that one optimiser shall take: the arguments of its ``step``."""

    optimizer: AdamW
    skip: Tensor
    factors: Sequence[float] | Tensor | None = None


@torch.no_grad()
def step_together(updates: Sequence[Update]) -> None:
    """The steps of several optimisers on one device, with the bits of one after another.

    Their parameters' numbers of steps change in one call. Each group has its call of the fused kernel, which takes one
    learning rate and one ``skip``.
    """
    groups = []
    steps: list[Tensor] = []
    skips: list[Tensor] = []
    for update in updates:
        for position, group in enumerate(update.optimizer.param_groups):
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            factor = 1.0 if update.factors is None else update.factors[position]
            lr = factor * group["lr"]
            moments = [update.optimizer.moments(parameter) for parameter in parameters]
            if group.get("shared"):
                _shared_step(parameters, moments, lr, group["weight_decay"], update.skip)
            elif parameters:
                groups.append((parameters, moments, lr, group["weight_decay"], update.skip))
                steps += [of_parameter["step"] for of_parameter in moments]
                skips += [update.skip] * len(parameters)
    if not steps:
        return
    torch._foreach_add_(steps, 1)
    for of_group in groups:
        _fused_step(*of_group)
    torch._foreach_sub_(steps, skips)


def _fused_step(
    parameters: list[Tensor], moments: list[dict[str, Tensor]], lr: float | Tensor, weight_decay: float, skip: Tensor
) -> None:
    """The step of one group, whose parameters' numbers of steps already count it."""
    torch._fused_adamw_(
        parameters,
        [parameter.grad for parameter in parameters if parameter.grad is not None],
        [of_parameter["exp_avg"] for of_parameter in moments],
        [of_parameter["exp_avg_sq"] for of_parameter in moments],
        [],
        [of_parameter["step"] for of_parameter in moments],
        lr=lr,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=weight_decay,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
        found_inf=skip,
    )


def _shared_step(
    parameters: list[Parameter], moments: list[dict[str, Tensor]], lr: float | Tensor, weight_decay: float, skip: Tensor
) -> None:
    """The step of a ``shared`` group, in plain torch: such groups hold a mask's logits, which are few."""
    taken = 1 - skip  # a factor rather than a branch, which would wait for the device
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    for parameter, with_nan, state in zip(parameters, gradients, moments, strict=True):
        gradient = torch.where(skip > 0, 0, with_nan)  # it may hold NaN where the step is skipped
        state["step"].add_(taken)
        state["exp_avg"].lerp_(gradient, (1 - BETAS[0]) * taken)
        state["exp_avg_sq"].lerp_(gradient.square().mean().expand_as(gradient), (1 - BETAS[1]) * taken)
        mean = state["exp_avg"] / (1 - BETAS[0] ** state["step"]).clamp(min=EPSILON)
        square = state["exp_avg_sq"] / (1 - BETAS[1] ** state["step"]).clamp(min=EPSILON)
        parameter.mul_(1 - lr * weight_decay * taken)
        parameter.sub_(lr * taken * mean / (square.sqrt() + EPSILON))
