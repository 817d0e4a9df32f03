"""Gumbel-softmax mask: m = hard(sigmoid((logit(p) + g0 - g1) / temperature)), straight through."""

import torch
from torch import Tensor, nn

from tune_ks.masks.base import PROBABILITY_FLOOR, Mask, require_a_line, rescale_to_rate, straight_through
from tune_ks.record import TrialConfig
from tune_ks.seeding import seed_for


class GumbelMask(Mask):
    """The learned mask of the method: one logit a line (or point), all equal at the start.

    The two-class Gumbel-softmax (Jang et al., ICLR 2017) has a closed form: the difference of its two Gumbel noises
    is one logistic noise, so one logit and one noise value a line do. With ``held`` the probabilities are rescaled to
    the asked rate at every step (budget "fixed"); otherwise they start there and drift, as in the source study.
    """

    def __init__(self, radius: Tensor, seed: int, rate: float, temperature: float, held: bool) -> None:
        super().__init__(radius, seed)
        require_a_line(rate, radius)
        self.temperature = temperature  # train.py anneals it
        self.held = held
        others = radius.numel() - 1
        start = torch.tensor((rate * radius.numel() - 1) / others if others else 1.0)
        self.mask_logits = nn.Parameter(torch.full_like(radius, torch.logit(start, PROBABILITY_FLOOR).item()))

    def probability(self, rate: Tensor) -> Tensor:
        prob = torch.sigmoid(self.mask_logits)[None]
        if self.held:
            return rescale_to_rate(prob, rate, self.is_dc)
        return torch.where(self.is_dc, 1, prob).expand(len(rate), -1, -1)

    def draw(self, rate: Tensor) -> Tensor:
        logits = torch.logit(self.probability(rate), PROBABILITY_FLOOR)
        soft = torch.sigmoid((logits + logistic_noise(logits)) / self.temperature)
        return torch.where(self.is_dc, 1, straight_through((soft > 0.5).to(soft.dtype), soft))


def logistic_noise(like: Tensor) -> Tensor:
    """Standard logistic noise, the law of g0 - g1 for two Gumbel variables; shape and device of ``like``."""
    uniform = torch.rand_like(like).clamp_(PROBABILITY_FLOOR / 10, 1 - PROBABILITY_FLOOR / 10)
    return torch.logit(uniform)


def build(config: TrialConfig, radius: Tensor) -> GumbelMask:
    """ValueError without a temperature."""
    if config.temperature is None:
        raise ValueError("the mask 'gumbel' needs a temperature above 0 (the paper space uses 1.0), got None")
    return GumbelMask(
        radius, seed_for(config.seed, "ties"), config.sampling_rate, config.temperature, held=config.budget == "fixed"
    )
