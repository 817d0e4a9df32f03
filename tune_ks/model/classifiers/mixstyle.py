"""MixStyle: the statistics of feature maps are mixed between images of a training batch (Zhou et al., ICLR 2021).

With the mean m and the deviation s of each channel over the pixels of an image, and another image j of the batch,

    f' = s' (f - m) / s + m',     m' = c m + (1 - c) m_j,     s' = c s + (1 - c) s_j,     c ~ Beta(0.1, 0.1)

No gradient passes through the statistics. The publication decides for each batch whether it is mixed; here each image
decides for itself, so that a GPU is never asked. As there, it acts after the first two stages, in training only.
"""

import torch
from torch import Tensor, nn

from tune_ks.core.options import Option

ALPHA = 0.1
SMALLEST = 1e-6  # of the variance
MIXSTYLE = Option(
    "mixstyle", 0.0, "share of the training images whose features take the style of another", least=0, most=1
)


class MixStyle:
    """A forward hook of a stage of a network; it has no state."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, stage: nn.Module, inputs: tuple[Tensor, ...], features: Tensor) -> Tensor:
        if not stage.training:
            return features
        count = len(features)
        alpha = torch.full((count, 1, 1, 1), ALPHA, device=features.device)
        kept = torch.distributions.Beta(alpha, alpha, validate_args=False).sample()  # a check would wait for a GPU
        chosen = torch.rand(count, 1, 1, 1, device=features.device) < self.share
        partner = torch.randperm(count, device=features.device)
        return with_mixed_statistics(features, partner, kept.masked_fill(~chosen, 1.0))


def with_mixed_statistics(features: Tensor, partner: Tensor, kept: Tensor) -> Tensor:
    """(B, C, H, W) feature maps, the places (B,) of their partners, and c (B, 1, 1, 1)."""
    mean = features.mean((-2, -1), keepdim=True).detach()
    deviation = (features.var((-2, -1), keepdim=True, correction=0) + SMALLEST).sqrt().detach()
    new_mean = torch.lerp(mean[partner], mean, kept)
    new_deviation = torch.lerp(deviation[partner], deviation, kept)
    return (features - mean) / deviation * new_deviation + new_mean


def mix_styles_after(stages: list[nn.Module], share: float) -> None:
    """Make these stages mix styles; nothing is changed where ``share`` is 0."""
    if share:
        for stage in stages:
            stage.register_forward_hook(MixStyle(share))
