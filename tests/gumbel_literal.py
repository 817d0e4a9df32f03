"""The source study's mask read word for word, an exhibit: the tests show what goes wrong with it.

logits(0) = log(rate / (1 - rate)), logits(1) = 0, and the mask is column 1 of a hard Gumbel-softmax of log(logits).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tune_ks.model.masks.base import Mask


class GumbelLiteral(Mask):
    """Its failures, each held by a test: NaN below rate 1/2 (the logarithm of a negative logit) and at rate 1
    (an infinite one), an empty mask above (the logarithm of logits(1) = 0), column 1 stands for 1 - rate, DC is not
    kept, nothing holds the rate, and the argmax keeps all below rate 1/2 and nothing above.
    """

    def __init__(self, radius: Tensor, rate: float) -> None:
        super().__init__(radius, rate)
        rate = torch.tensor(rate)
        drop = torch.log(rate / (1 - rate))
        self.mask_logits = nn.Parameter(torch.stack([drop.expand(radius.shape), torch.zeros_like(radius)], dim=-1))

    def probability(self, rate: Tensor) -> Tensor:
        return functional.softmax(self.mask_logits, dim=-1)[..., 1].expand(len(rate), -1, -1)

    def draw(self, rate: Tensor) -> Tensor:
        logits = torch.log(self.mask_logits).expand(len(rate), -1, -1, -1)
        return functional.gumbel_softmax(logits, tau=self.temperature, hard=True)[..., 1]

    def binary(self, rate: Tensor) -> Tensor:
        return self.mask_logits.argmax(-1).to(self.mask_logits.dtype).expand(len(rate), -1, -1)
