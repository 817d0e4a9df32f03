"""At which rate and temperature an image is met: in training one, a falling one, or one drawn per image."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig

REFERENCES = 4  # rates at which a conditional training's epochs are compared


def training_rates(config: TrialConfig, epoch: int, size: int, lines: int, stream: np.random.Generator) -> Tensor:
    """(size,) rates of one batch. ``lines``: the coefficients of a mask, of which a drawn rate keeps a whole number.

    ``rate_start``: geometric from there at the first epoch to ``sampling_rate`` at the first settled one, so that a
    training at a low rate starts where it can learn. ``rate_from``: log-uniform from there to ``rate_to``.
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
    return torch.from_numpy(
        np.exp(stream.uniform(math.log(config.temperature_from), math.log(config.temperature_to), size))
    ).float()


def compared_configs(config: TrialConfig) -> list[TrialConfig]:
    """The configs whose mean in-domain validation metric chooses the epoch: itself, or a conditional one's rates.

    Those are log-spaced from ``rate_from`` to ``rate_to``, whichever rates are scored: each key so stands alone.
    """
    if config.rate_from is None:
        return [config]
    rates = np.geomspace(config.rate_from, config.rate_to, REFERENCES).clip(config.rate_from, config.rate_to)
    return [replace(config.training(), sampling_rate=float(rate)) for rate in rates]
