"""DPS: exactly k coefficients by Gumbel top-k, backward through successive softmaxes (Huijben et al., ICLR 2020)."""

from typing import Any

import torch
from torch import Tensor, nn

from tune_ks.core.options import Member
from tune_ks.model.masks.base import (
    CENTRE,
    HERMITIAN,
    TEMPERATURE,
    Mask,
    check_temperature,
    per_image,
    straight_through,
)

RACE = 60.0  # log of the longest race; by then every clock has rung
BISECTIONS = 60  # of the race's end, each halves its error
NEVER = -1e4  # a score whose exponential is 0, and finite, so that no gradient becomes NaN


class DPS(Mask):
    """Trained logits w; a draw keeps the k largest of w + g, g standard Gumbel: exactly the budget in every image.

    Backward, the i-th pick is a softmax at the temperature over what the picks before it left. Sorted in falling
    order, a_1 >= a_2 ..., the sum of all picks' softmaxes is, for the j-th coefficient,
    exp(a_j / T) sum_{i <= min(j, k)} 1 / sum_{l >= i} exp(a_l / T): a sort and two cumulative sums, not k passes.
    """

    def __init__(self, radius: Tensor, rate: float, **shared: Any) -> None:
        super().__init__(radius, rate, **shared)
        self.mask_logits = nn.Parameter(torch.zeros_like(radius))
        self.register_buffer("others", torch.nonzero(~self.centre.flatten()).flatten(), persistent=False)

    def probability(self, rate: Tensor) -> Tensor:
        """Inclusion probabilities 1 - exp(-t e^w), t so that they sum to k.

        Gumbel top-k is a race of exponential clocks of speeds e^w; who has rung at the fixed time t is independent,
        and near the k first (Rosen, J. Stat. Plan. Inference 62, 1997). Only their order and sum enter a mask.
        """
        logits = self.tie(self.mask_logits).flatten()[self.others][None]
        wanted = self._picks(rate).to(logits.dtype)[:, None]
        low, high = torch.full_like(wanted, -RACE), torch.full_like(wanted, RACE)  # of log t
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            over = rung(middle, logits).sum(1, keepdim=True) > wanted
            low, high = torch.where(over, low, middle), torch.where(over, middle, high)
        return self._with_centre(rung(high, logits))

    def draw(self, rate: Tensor) -> Tensor:
        noise = -torch.empty((len(rate), *self.radius.shape), device=rate.device).exponential_().log()
        scores = self.tie(self.mask_logits + noise).flatten(1)[:, self.others]
        soft = successive_softmaxes(scores / per_image(self.temperature, 2), self._picks(rate))
        rank = scores.argsort(dim=1, descending=True).argsort(dim=1)
        hard = (rank < self._picks(rate)[:, None]).to(soft.dtype)
        return self.whole_pairs(self._with_centre(straight_through(hard, soft)))

    def _picks(self, rate: Tensor) -> Tensor:
        """(B,) how many coefficients beside the centre a budget buys."""
        return (rate * self.radius.numel()).round().long() - (self.radius.numel() - len(self.others))

    def _with_centre(self, others: Tensor) -> Tensor:
        """(B, N - c) values of the others -> (B, H or 1, W), the centre being 1."""
        mask = others.new_ones(len(others), self.radius.numel()).index_copy(1, self.others, others)
        return mask.reshape(-1, *self.radius.shape)


def rung(log_time: Tensor, log_speed: Tensor) -> Tensor:
    """Probability that an exponential clock has rung: 1 - exp(-t v)."""
    return -torch.expm1(-torch.exp(log_time + log_speed))


def successive_softmaxes(scores: Tensor, count: Tensor) -> Tensor:
    """(B, N) scores and (B,) counts k -> (B, N), the sum of the softmaxes of k successive picks without replacement.

    The i-th softmax is over what is left when the i - 1 largest are gone. Each row sums to its k.
    """
    ordered, index = scores.sort(dim=1, descending=True)
    left = ordered.flip(1).logcumsumexp(1).flip(1)  # log of the sum over what is left at the i-th pick
    picks = torch.arange(scores.shape[1], device=scores.device) < count[:, None]
    share = torch.where(picks, -left, NEVER).logcumsumexp(1)
    return torch.zeros_like(scores).scatter(1, index, torch.exp(ordered + share))


MEMBER = Member(DPS, (*TEMPERATURE, CENTRE, HERMITIAN), check_temperature, learned=True)
