"""The random numbers of one epoch: drawn at once, one of each kind an image, so that they reach the device at once."""

from typing import NamedTuple

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.seeding import generator
from tune_ks.data.dataset import Images
from tune_ks.training.augment import draw_moves
from tune_ks.training.rates import training_rates, training_temperatures


class Draws(NamedTuple):
    """What one batch of B images is met with."""

    index: Tensor  # (B,) int64, positions in the training images, where Images.gather wants them
    rates: Tensor  # (B,)
    temperatures: Tensor | None  # (B,) where the config draws them
    moves: Tensor | None  # (B, 2, 2) where the config augments


def draw_epoch(config: TrialConfig, images: Images, number: int, lines: int, device: str) -> list[Draws]:
    """The batches of epoch ``number`` in their order. ``lines``: the coefficients of a mask.

    Each kind has its own stream of (seed, purpose, epoch), which is asked batch by batch.
    """
    order = torch.from_numpy(generator(config.seed, "order", number).permutation(len(images)))
    flips, rates = (generator(config.seed, purpose, number) for purpose in ("flips", "rates"))
    kinds: list[list[Tensor | None]] = [[], [], []]
    for size in map(len, order.split(config.batch_size)):
        kinds[0].append(training_rates(config, number, size, lines, rates))
        kinds[1].append(training_temperatures(config, size, rates))
        kinds[2].append(draw_moves(config.augment, size, images.side, flips))
    batches = [order.to(images.home(device)).split(config.batch_size)]
    for drawn in kinds:
        is_drawn = drawn[0] is not None
        batches.append(torch.cat(drawn).to(device).split(config.batch_size) if is_drawn else drawn)
    return [Draws(*of_batch) for of_batch in zip(*batches)]
