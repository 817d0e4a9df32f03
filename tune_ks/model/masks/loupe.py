"""LOUPE: m = sigmoid(s (p' - u)), p' = sigmoid(5 w) rescaled to the rate, u uniform (Bahadir et al., IEEE TCI 2020)."""

from typing import Any

import torch
from torch import Tensor, nn

from tune_ks.core.options import Member
from tune_ks.core.seeding import seed_for
from tune_ks.model.masks.base import CENTRE, HERMITIAN, START, rescale_to_rate
from tune_ks.model.masks.learned import LearnedMask, straight_through

PROBABILITY_SLOPE = 5.0  # of p = sigmoid(5 w)
MASK_SLOPE = 12.0  # s, of the relaxed comparison p' > u
UNIFORM_FROM = 0.01  # the probabilities start uniform in (0.01, 0.99), before the rescaling


class Loupe(LearnedMask):
    """The relaxed mask, as published: values in (0, 1) in training, with one u per coefficient and image.

    The slopes are those of the authors' code, github.com/cagladbahadir/LOUPE (read at commit 07cd0dc): in
    loupe/models.py the defaults of loupe_model are pmask_slope = 5 and sample_slope = 12, and scripts/train_v2.py sets
    neither. In loupe/layers.py ThresholdRandomMask has 12 too, but ProbMask alone 10, and starts from probabilities
    uniform in (0.01, 0.99) (eps = 0.01). Its masks are of points, and DC is not held.

    The relaxation is biased: E[m] = (softplus(s p') - softplus(s (p' - 1))) / s, which is above p' for small p'. So
    training keeps more than the budget; the mask that is scored and exported keeps exactly the budget.
    """

    def __init__(
        self, radius: Tensor, rate: float, *, seed: int = 0, start_slope: float | None = None, **shared: Any
    ) -> None:
        super().__init__(radius, rate, seed=seed, **shared)
        start = self._uniform(seed) if start_slope is None else self.centre_out(start_slope)
        self.mask_logits = nn.Parameter(start / PROBABILITY_SLOPE)

    def _uniform(self, seed: int) -> Tensor:
        """Logits of probabilities that are uniform in (UNIFORM_FROM, 1 - UNIFORM_FROM)."""
        stream = torch.Generator().manual_seed(seed_for(seed, "mask"))
        start = torch.empty(self.radius.shape).uniform_(UNIFORM_FROM, 1 - UNIFORM_FROM, generator=stream)
        return torch.logit(start)

    def probability(self, rate: Tensor) -> Tensor:
        return self._probability(self.mask_logits[None], rate)

    def _probability(self, logits: Tensor, rate: Tensor) -> Tensor:
        """(..., 1, H or 1, W) logits and (..., B) rates -> (..., B, H or 1, W)."""
        return rescale_to_rate(torch.sigmoid(PROBABILITY_SLOPE * self.tie(logits)), rate, self.centre)

    def noise(self, count: int) -> Tensor:
        return torch.rand(count, *self.radius.shape, device=self.radius.device)

    def from_noise(self, noise: Tensor, logits: Tensor, rate: Tensor, temperature: float | Tensor) -> Tensor:
        return torch.where(self.centre, 1, self.relaxed(noise, logits, rate))

    def relaxed(self, noise: Tensor, logits: Tensor, rate: Tensor) -> Tensor:
        """As ``from_noise``, in (0, 1) also in the centre; above 1/2 exactly where p' > u."""
        return torch.sigmoid(MASK_SLOPE * (self._probability(logits, rate) - self.tie(noise)))


class LoupeStraightThrough(Loupe):
    """LOUPE with the hard comparison p' > u in the forward pass and the gradient of the relaxed one."""

    def from_noise(self, noise: Tensor, logits: Tensor, rate: Tensor, temperature: float | Tensor) -> Tensor:
        soft = self.relaxed(noise, logits, rate)
        return torch.where(self.centre, 1, straight_through((soft > 0.5).to(soft.dtype), soft))


MEMBER = Member(Loupe, (START, CENTRE, HERMITIAN), learned=True)
STRAIGHT_THROUGH = Member(LoupeStraightThrough, (START, CENTRE, HERMITIAN), learned=True)
