"""Gumbel-softmax mask: m = hard(sigmoid((logit(p) + g0 - g1) / temperature)), straight through."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member, Option, require
from tune_ks.model.masks.base import (
    CENTRE,
    HERMITIAN,
    PROBABILITY_FLOOR,
    START,
    TEMPERATURE,
    check_temperature,
    rescale_to_rate,
)
from tune_ks.model.masks.learned import LearnedMask, per_image

BUDGET = Option(
    "budget", "fixed", "fixed: the mean probability is held at the rate; drift: it moves freely", str,
    choices=("fixed", "drift"),
)  # fmt: skip


class Gumbel(LearnedMask):
    """The learned mask of the source study: one logit per line (or point), all equal at the start.

    The difference of the two Gumbel noises of the two-class Gumbel-softmax (Jang et al., ICLR 2017) is logistic noise,
    so one logit and one noise value per line suffice. With the budget "fixed" the probabilities are rescaled to the
    sampling rate at every step; with "drift" they start at it and move freely, as in the source study.
    """

    def __init__(
        self, radius: Tensor, rate: float, *, budget: str = "fixed", start_slope: float | None = None, **shared: Any
    ) -> None:
        super().__init__(radius, rate, **shared)
        self.is_budget_fixed = budget == "fixed"
        start = self._flat(rate) if start_slope is None else self.centre_out(start_slope)
        self.mask_logits = nn.Parameter(start)

    def _flat(self, rate: float) -> Tensor:
        """Equal logits whose probabilities have the mean ``rate``, with 1 at the centre."""
        in_centre = int(self.centre.sum())
        others = self.radius.numel() - in_centre
        start = torch.tensor((rate * self.radius.numel() - in_centre) / others if others else 1.0)
        return torch.full_like(self.radius, torch.logit(start, PROBABILITY_FLOOR).item())

    @property
    def kind(self) -> tuple[Any, ...]:
        return (*super().kind, self.is_budget_fixed)

    def probability(self, rate: Tensor) -> Tensor:
        return self._probability(self.mask_logits[None], rate).expand(len(rate), -1, -1)

    def _probability(self, logits: Tensor, rate: Tensor) -> Tensor:
        """(..., 1, H or 1, W) logits and (..., B) rates -> (..., B, H or 1, W); B is 1 where the budget drifts."""
        prob = torch.sigmoid(self.tie(logits))
        if self.is_budget_fixed:
            return rescale_to_rate(prob, rate, self.centre)
        return torch.where(self.centre, 1, prob)

    def noise(self, count: int) -> Tensor:
        return torch.rand(count, *self.radius.shape, device=self.radius.device)

    def from_noise(self, noise: Tensor, logits: Tensor, rate: Tensor, temperature: float | Tensor) -> Tensor:
        logits = torch.logit(self._probability(logits, rate), PROBABILITY_FLOOR)
        logits = torch.where(self.centre, torch.inf, logits)  # kept whatever the noise, with a gradient of 0
        logistic = torch.logit(noise, PROBABILITY_FLOOR / 10)  # noise of that law: g0 - g1 of two Gumbel variables
        return _Kept.apply(logits, self.tie(logistic), per_image(temperature, 2))


class _Kept(torch.autograd.Function):
    """Straight through: 1 where s = sigmoid((logits + noise) / temperature) is above 1/2, with the gradient of s.

    ``noise`` (..., B, H or 1, W) is overwritten. Fewer passes over memory than ``straight_through`` needs.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, noise: Tensor, temperature: float | Tensor) -> Tensor:
        soft = noise.detach().add_(logits).div_(temperature).sigmoid_()
        ctx.save_for_backward(soft)
        ctx.shape = logits.shape
        ctx.temperature = temperature
        return torch.gt(soft, 0.5, out=torch.empty_like(soft))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (soft,) = ctx.saved_tensors
        of_draws = torch.ops.aten.sigmoid_backward(gradient, soft).div_(ctx.temperature)
        return of_draws.sum_to_size(ctx.shape), None, None


def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError where the budget drifts although training varies the rate, or the start does not have the rate."""
    check_temperature(config, values)
    flat = values["start_slope"] is None
    require(flat or values["budget"] == "fixed", "budget", "'fixed' where start_slope is given", values["budget"])
    for name in ("rate_start", "rate_from"):
        given = getattr(config, name) is not None
        require(not given or values["budget"] == "fixed", "budget", f"'fixed' where {name} is given", values["budget"])


MEMBER = Member(Gumbel, (*TEMPERATURE, BUDGET, START, CENTRE, HERMITIAN), check, learned=True)
