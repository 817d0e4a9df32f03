"""An adversary for segmentation: a discriminator between predicted masks and those drawn by a reader."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 32, 64)


class Adversary(nn.Module):
    """A small convolutional discriminator D of pairs (mask, image), after Luc et al. (arXiv:1611.08408, 2016).

        L_D = -1/2 [log D(t, x) + log(1 - D(p, x))]     t drawn, p predicted mask, x image

    D minimises L_D; gradient reversal (Ganin and Lempitsky, ICML 2015) makes the segmenter maximise ``weight`` x L_D.
    One backward pass and one optimiser so train both.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        layers: list[nn.Module] = []
        for before, after in zip((2, *CHANNELS), CHANNELS):
            layers += [nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(CHANNELS[-1], 1)

    def forward(self, mask: Tensor, image: Tensor) -> Tensor:
        """(B, 1, S, S) masks in [0, 1] and their images, S >= 8 -> (B,) logits that the mask is a drawn one."""
        return self.head(self.features(torch.cat([mask, image], dim=1)).mean((-2, -1))).squeeze(1)

    def loss(self, predicted: Tensor, drawn: Tensor, image: Tensor) -> Tensor:
        """L_D, the mean over B images; the gradient with respect to ``predicted`` is reversed."""
        drawn_logit = self(drawn, image)
        predicted_logit = self(reversed_gradient(predicted, self.weight), image)
        drawn_loss = functional.binary_cross_entropy_with_logits(drawn_logit, torch.ones_like(drawn_logit))
        predicted_loss = functional.binary_cross_entropy_with_logits(predicted_logit, torch.zeros_like(predicted_logit))
        return (drawn_loss + predicted_loss) / 2


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradient, None


def reversed_gradient(values: Tensor, weight: float) -> Tensor:
    """``values`` unchanged; in the backward pass the gradient is multiplied by -``weight``."""
    return _Reverse.apply(values, weight)
