"""Masks with parameters: a draw is a function of logits and random numbers, for one mask or for several at once."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tune_ks.model.masks.base import Mask


class LearnedMask(Mask):
    """A family with ``mask_logits`` (H or 1, W), which draws a new mask for every image in training."""

    mask_logits: nn.Parameter

    @property
    def kind(self) -> tuple[Any, ...]:
        """Masks with equal kinds differ only in logits, rate and temperature, and can be drawn together."""
        return (type(self), self.radius.shape, self.tied, self.rates_differ, self.centre_digest)

    def draw(self, rate: Tensor) -> Tensor:
        noise = self.noise(len(rate))
        return self.from_noise(noise, self.mask_logits[None], self.distinct(rate), self.temperature)

    @abstractmethod
    def noise(self, count: int) -> Tensor:
        """(count, H or 1, W) random numbers of as many masks, from torch's global state."""

    @abstractmethod
    def from_noise(self, noise: Tensor, logits: Tensor, rate: Tensor, temperature: float | Tensor) -> Tensor:
        """The masks that random numbers stand for, (..., B, H or 1, W) as ``noise``.

        ``logits`` are (..., 1, H or 1, W), ``rate`` is (..., B or 1), ``temperature`` a number or (..., B or 1). The
        leading axes are those of several masks of this kind.
        """


def draw_together(masks: Sequence[LearnedMask], rates: Sequence[Tensor], noises: Sequence[Tensor]) -> Sequence[Tensor]:
    """The draws (B, H or 1, W) of M masks of one kind at their (B,) rates, for noise that each of them drew."""
    first = masks[0]
    if len(masks) == 1:
        return [first.from_noise(noises[0], first.mask_logits[None], first.distinct(rates[0]), first.temperature)]
    rate = torch.stack([first.distinct(of_mask) for of_mask in rates])
    logits = torch.stack([mask.mask_logits[None] for mask in masks])
    return first.from_noise(torch.stack(list(noises)), logits, rate, _temperatures(masks, rate)).unbind()


def _temperatures(masks: Sequence[LearnedMask], rate: Tensor) -> float | Tensor:
    """The temperature of all masks, or (M, B or 1) theirs, as ``rate`` is."""
    temperatures = [mask.temperature for mask in masks]
    if not any(isinstance(temperature, Tensor) for temperature in temperatures) and len(set(temperatures)) == 1:
        return temperatures[0]
    of_masks = []
    for of_rates, temperature in zip(rate, temperatures, strict=True):
        if isinstance(temperature, Tensor):
            of_masks.append(temperature)
        else:  # filled on the device, so that nothing is copied to a GPU
            of_masks.append(torch.full_like(of_rates, temperature))
    return torch.stack(of_masks)


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of ``hard``, bit for bit, with the gradient of ``soft``."""
    return hard + (soft - soft.detach())


def per_image(temperature: float | Tensor, axes: int) -> float | Tensor:
    """A single temperature unchanged; (..., B) temperatures with so many more ``axes``, to divide values by them."""
    return temperature.reshape(*temperature.shape, *[1] * axes) if isinstance(temperature, Tensor) else temperature
