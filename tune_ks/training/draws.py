"""The random numbers of one epoch, drawn at once so that they reach the device at once: order, rates, temperatures."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.seeding import generator
from tune_ks.data.dataset import Images
from tune_ks.training.augmentations import Augmentation

REFERENCES = 4  # rates at which a conditional training's epochs are compared


class Draws(NamedTuple):
    """The random numbers of one batch of B images."""

    index: Tensor  # (B,) int64, positions in the training images, where Images.gather wants them
    rates: Tensor  # (B,)
    temperatures: Tensor | None  # (B,) where the config draws them
    augmentation: Tensor | None  # (B, ...) where the config's augmentation draws any


def draw_epoch(
    config: TrialConfig, augmentation: Augmentation, images: Images, epoch: int, lines: int, device: str
) -> list[Draws]:
    """The batches of ``epoch`` in their order. ``lines``: the coefficients of a mask.

    Each kind of number has its own stream of (seed, purpose, epoch), from which batch after batch is drawn.
    """
    order = torch.from_numpy(generator(config.seed, "order", epoch).permutation(len(images)))
    of_augmentation = generator(config.seed, "flips", epoch)
    of_rates = generator(config.seed, "rates", epoch)
    rates, temperatures, augmentations = [], [], []
    for batch in order.split(config.batch_size):
        size = len(batch)
        rates.append(training_rates(config, epoch, size, lines, of_rates))
        temperatures.append(training_temperatures(config, size, of_rates))
        augmentations.append(augmentation.draw(size, images.side, of_augmentation))
    columns = (
        order.to(images.home(device)).split(config.batch_size),
        _to_device(rates, device),
        _to_device(temperatures, device),
        _to_device(augmentations, device),
    )
    return [Draws(*of_batch) for of_batch in zip(*columns, strict=True)]


def _to_device(batches: Sequence[Tensor | None], device: str) -> Sequence[Tensor | None]:
    """The same batches on the device, copied there at once; they are all None or none of them is."""
    if batches[0] is None:
        return batches
    return torch.cat(batches).to(device).split([len(batch) for batch in batches])


def training_rates(config: TrialConfig, epoch: int, size: int, lines: int, stream: np.random.Generator) -> Tensor:
    """(size,) sampling rates of one batch: constant, falling from epoch to epoch, or drawn for each image.

    ``rate_start``: geometric from there at the first epoch to ``sampling_rate`` at the first settled one, so that a
    training at a low rate starts where it can learn. ``rate_from``: log-uniform from there to ``rate_to``, rounded to a
    whole number of the ``lines`` coefficients of a mask.
    """
    if config.rate_from is not None:
        drawn = np.exp(stream.uniform(math.log(config.rate_from), math.log(config.rate_to), size))
        return torch.from_numpy(np.maximum(np.round(drawn * lines), 1) / lines).float()
    rate = config.sampling_rate
    if config.rate_start is not None:
        left = 1 - min(1.0, (epoch - 1) / max(1, config.first_settled_epoch() - 1))
        rate *= (config.rate_start / rate) ** left
    return torch.full((size,), rate)


def training_temperatures(config: TrialConfig, size: int, stream: np.random.Generator) -> Tensor | None:
    """(size,) temperatures drawn log-uniformly; None where the config does not ask for them."""
    if config.temperature_from is None:
        return None
    low, high = math.log(config.temperature_from), math.log(config.temperature_to)
    return torch.from_numpy(np.exp(stream.uniform(low, high, size))).float()


def compared_configs(config: TrialConfig) -> list[TrialConfig]:
    """The configs whose mean in-domain validation metric chooses the epoch: itself, or a conditional one's rates.

    Those are log-spaced from ``rate_from`` to ``rate_to``, whichever rates are scored, so that each key stands alone.
    """
    if config.rate_from is None:
        return [config]
    rates = np.geomspace(config.rate_from, config.rate_to, REFERENCES).clip(config.rate_from, config.rate_to)
    return [replace(config.training(), sampling_rate=float(rate)) for rate in rates]
