"""LOUPE: m = sigmoid(s (p' - u)), p' = sigmoid(5 w) rescaled to the rate, u uniform (Bahadir et al., IEEE TCI 2020)."""

from typing import Any

import torch
from torch import Tensor, nn

from tune_ks.core.options import Member
from tune_ks.core.seeding import seed_for
from tune_ks.model.masks.base import CENTRE, HERMITIAN, START, Mask, rescale_to_rate, straight_through

PROBABILITY_SLOPE = 5.0  # of p = sigmoid(5 w)
MASK_SLOPE = 12.0  # s, of the relaxed comparison p' > u
UNIFORM_FROM = 0.01  # the probabilities start uniform in (0.01, 0.99), before the rescaling


class Loupe(Mask):
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
        prob = torch.sigmoid(PROBABILITY_SLOPE * self.tie(self.mask_logits))[None]
        return rescale_to_rate(prob, rate, self.centre)

    def draw(self, rate: Tensor) -> Tensor:
        return torch.where(self.centre, 1, self.relaxed(rate))

    def relaxed(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, H or 1, W) in (0, 1); above 1/2 exactly where p' > u."""
        prob = self.probability(self.distinct(rate))
        return torch.sigmoid(MASK_SLOPE * (prob - self.tie(torch.rand_like(prob.expand(len(rate), -1, -1)))))


class LoupeStraightThrough(Loupe):
    """LOUPE with the hard comparison p' > u in the forward pass and the gradient of the relaxed one."""

    def draw(self, rate: Tensor) -> Tensor:
        soft = self.relaxed(rate)
        return torch.where(self.centre, 1, straight_through((soft > 0.5).to(soft.dtype), soft))


MEMBER = Member(Loupe, (START, CENTRE, HERMITIAN), learned=True)
STRAIGHT_THROUGH = Member(LoupeStraightThrough, (START, CENTRE, HERMITIAN), learned=True)
