"""DPS: exactly k coefficients by Gumbel top-k, backward through successive softmaxes (Huijben et al., ICLR 2020)."""

from typing import Any

import torch
from torch import Tensor, nn

from tune_ks.core.options import Member
from tune_ks.model.masks.base import (
    CENTRE,
    HERMITIAN,
    START,
    TEMPERATURE,
    check_temperature,
    keep_first,
)
from tune_ks.model.masks.learned import LearnedMask, per_image, straight_through

RACE = 60.0  # largest |log t| of the bisection for the time t
BISECTIONS = 60  # steps of the bisection
NEVER = -1e4  # stands for log 0; finite, so that no gradient becomes NaN


class DPS(LearnedMask):
    """Trained logits w; a draw keeps the k largest of w + g, g standard Gumbel, so exactly k in every image.

    In the backward pass the i-th pick is a softmax at temperature T over the coefficients that are left. With scores in
    falling order, a_1 >= a_2 ..., the softmaxes of all picks sum for the j-th coefficient to
    exp(a_j / T) sum_{i <= min(j, k)} 1 / sum_{l >= i} exp(a_l / T). This takes a sort and two cumulative sums.
    """

    others: Tensor  # (N - c,) index of the coefficients outside the centre

    def __init__(self, radius: Tensor, rate: float, *, start_slope: float | None = None, **shared: Any) -> None:
        super().__init__(radius, rate, **shared)
        start = torch.zeros_like(radius) if start_slope is None else self.centre_out(start_slope)
        self.mask_logits = nn.Parameter(start)
        self.register_buffer("others", torch.nonzero(~self.centre.flatten()).flatten(), persistent=False)

    def probability(self, rate: Tensor) -> Tensor:
        """Inclusion probabilities 1 - exp(-t e^w), with t such that they sum to k.

        Gumbel top-k keeps the k first of exponential waiting times with rates e^w. The set of those that end before a
        fixed time t approximates it, and is independent over coefficients (Rosen, J. Stat. Plan. Inference 62, 1997).
        A mask uses only the order and the sum of these probabilities.
        """
        logits = self.tie(self.mask_logits).flatten()[self.others][None]
        wanted = self._picks(rate).to(logits.dtype)[:, None]
        low = torch.full_like(wanted, -RACE)  # of log t
        high = torch.full_like(wanted, RACE)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            over = rung(middle, logits).sum(1, keepdim=True) > wanted
            low = torch.where(over, low, middle)
            high = torch.where(over, middle, high)
        return self._with_centre(rung(high, logits))

    def noise(self, count: int) -> Tensor:
        return torch.empty(count, *self.radius.shape, device=self.radius.device).exponential_()

    def from_noise(self, noise: Tensor, logits: Tensor, rate: Tensor, temperature: float | Tensor) -> Tensor:
        scores = self.tie(logits - noise.log()).flatten(-2)[..., self.others]
        index = scores.argsort(dim=-1, descending=True)
        picks = torch.arange(scores.shape[-1], device=scores.device) < self._picks(rate)[..., None]
        soft = successive_softmaxes(scores / per_image(temperature, 1), index, picks)
        hard = torch.zeros_like(soft).scatter(-1, index, picks.to(soft.dtype).expand_as(index))
        return self.whole_pairs(self._with_centre(straight_through(hard, soft)))

    def binary(self, rate: Tensor) -> Tensor:
        """As in the base class. The probabilities rise with the logits, so a sort of the logits gives their order."""
        logits = self.tie(self.mask_logits.detach())
        ranked = torch.where(self.centre, torch.inf, logits).expand(len(rate), -1, -1)
        count = (rate * self.radius.numel()).round().clamp(min=1)
        return self.whole_pairs(keep_first(ranked, self.order, count))

    def _picks(self, rate: Tensor) -> Tensor:
        """(..., B) rates -> (..., B) number of kept coefficients outside the centre."""
        return (rate * self.radius.numel()).round().long() - (self.radius.numel() - len(self.others))

    def _with_centre(self, others: Tensor) -> Tensor:
        """(..., N - c) values of the coefficients outside the centre -> (..., H or 1, W), with 1 in the centre."""
        leading = others.shape[:-1]
        mask = others.new_ones(*leading, self.radius.numel()).index_copy(-1, self.others, others)
        return mask.reshape(*leading, *self.radius.shape)


def rung(log_time: Tensor, log_speed: Tensor) -> Tensor:
    """Probability 1 - exp(-t v) that an exponential waiting time of rate v ends before t."""
    return -torch.expm1(-torch.exp(log_time + log_speed))


def successive_softmaxes(scores: Tensor, index: Tensor, picks: Tensor) -> Tensor:
    """(..., N) scores -> (..., N), the sum of the softmaxes of k successive picks without replacement.

    ``index`` (..., N) sorts the scores from the largest down, ``picks`` (..., N) is true at the first k of a row. The
    i-th softmax leaves out the i - 1 largest scores. Each row sums to its k.
    """
    ordered = scores.gather(-1, index)
    left = ordered.flip(-1).logcumsumexp(-1).flip(-1)  # log of the sum over the scores left at the i-th pick
    share = torch.where(picks, -left, NEVER).logcumsumexp(-1)
    return torch.zeros_like(scores).scatter(-1, index, torch.exp(ordered + share))


MEMBER = Member(DPS, (*TEMPERATURE, START, CENTRE, HERMITIAN), check_temperature, learned=True)
