"""The random numbers of one epoch: order, rates, drawn options, augmentation. Copied to the device together."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.seeding import generator
from tune_ks.data.dataset import Images
from tune_ks.model.members import Range, drawn_options
from tune_ks.training.augmentations.base import Augmentation
from tune_ks.training.mixup import Mixing, draw_mixing
from tune_ks.training.tasks import slices_of

REFERENCES = 4  # rates and values of options at which a conditional training's epochs are compared


class Draws(NamedTuple):
    """The random numbers of one batch of B images."""

    positions: Tensor  # (B,) int64, in the training images, on the device that Images.gather expects
    rates: Tensor  # (B,)
    rates_on_host: Tensor  # (B,), the same: a fixed mask is looked up there, without waiting for a GPU
    options: dict[str, Tensor]  # (B,) values of each option that the config draws, temperature among them
    augmentation: Tensor | None  # (B, ...); None where the augmentation draws nothing
    mixing: Mixing | None = None  # None where no images are mixed


def draw_epoch(
    config: TrialConfig,
    augmentation: Augmentation,
    images: Images,
    epoch: int,
    lines: int,
    device: str,
    mixup: float = 0.0,
    by_domain: bool = False,
) -> list[Draws]:
    """The random numbers of every batch of ``epoch``, in order. ``lines`` is the number of coefficients of a mask.

    ``mixup`` is the task's, ``by_domain`` the invariance's. Each kind of number has its own stream, seeded by (seed,
    purpose, epoch) and read batch after batch. Of volumes, ``batch_size`` counts volumes, and all slices of a volume
    have the same numbers.
    """
    slices = slices_of(config)
    batches = _batches(config, images, epoch, by_domain)
    sizes = [len(batch) for batch in batches]
    drawn = _drawn(config, augmentation, images.side, epoch, lines, sizes)
    order = torch.cat(list(batches))
    if slices > 1:
        order = (order[:, None] * slices + torch.arange(slices)).flatten()
        sizes = [size * slices for size in sizes]
        drawn = drawn.for_every_slice(slices)
    columns = (
        order.to(images.home(device)).split(sizes),
        _to_device(drawn.rates, device),
        drawn.rates,
        _options_by_batch(drawn.options, len(sizes), device),
        _to_device(drawn.augmentations, device) if drawn.augmentations else [None] * len(sizes),
        _mixings(sizes, mixup, generator(config.seed, "mixup", epoch), device),
    )
    return [Draws(*of_batch) for of_batch in zip(*columns, strict=True)]


def _batches(config: TrialConfig, images: Images, epoch: int, by_domain: bool) -> Sequence[Tensor]:
    """For every batch the positions of its images, or of its volumes, in a random order."""
    if by_domain:
        return order_by_source(config, images, epoch).split(len(config.sources) * images_of_each(config))
    count = len(images) // slices_of(config)
    return torch.from_numpy(generator(config.seed, "order", epoch).permutation(count)).split(config.batch_size)


class _Drawn(NamedTuple):
    """The random numbers of every batch, a row an image or a volume, in the host's memory."""

    rates: list[Tensor]
    options: dict[str, list[Tensor]]  # name of a drawn option -> its values
    augmentations: list[Tensor]  # empty where the augmentation draws nothing

    def for_every_slice(self, slices: int) -> "_Drawn":
        """One row a volume -> one row a slice, the same for all slices of a volume."""
        return _Drawn(
            _for_every_slice(self.rates, slices),
            {name: _for_every_slice(values, slices) for name, values in self.options.items()},
            _for_every_slice(self.augmentations, slices),
        )


def _drawn(
    config: TrialConfig, augmentation: Augmentation, side: int, epoch: int, lines: int, sizes: list[int]
) -> _Drawn:
    """The random numbers of batches of these ``sizes``, each kind from its own stream."""
    of_augmentation = generator(config.seed, "flips", epoch)
    of_rates = generator(config.seed, "rates", epoch)  # and of temperatures, batch after batch
    of_options = {option: generator(config.seed, "option", option.name, epoch) for option in drawn_options(config)}
    drawn = _Drawn([], {}, [])
    for size in sizes:
        drawn.rates.append(training_rates(config, epoch, size, lines, of_rates))
        temperatures = training_temperatures(config, size, of_rates)
        if temperatures is not None:
            drawn.options.setdefault("temperature", []).append(temperatures)
        for option, stream in of_options.items():
            drawn.options.setdefault(option.name, []).append(training_values(option, size, stream))
        of_images = augmentation.draw(size, side, of_augmentation)
        if of_images is not None:
            drawn.augmentations.append(of_images)
    return drawn


def images_of_each(config: TrialConfig) -> int:
    """The images of each source in a batch that holds equally many of all."""
    return config.batch_size // len(config.sources)


def order_by_source(config: TrialConfig, images: Images, epoch: int) -> Tensor:
    """(n,) int64 positions in the training images, batch after batch; in a batch those of the first source first.

    There are as many batches as of pooled images. Each source is passed in a random order, as often as it takes: where
    a source has fewer images than are needed they come again, and of one with more some are left out of the epoch.
    """
    size = images_of_each(config)
    batches = math.ceil(len(images) / config.batch_size)
    of_sources = []
    for source in config.sources:
        places = np.flatnonzero(images.vendor == source)
        if not len(places):
            raise ValueError(f"{source} is trained on, and none of the training images are of it")
        stream = generator(config.seed, "order", epoch, source)
        passes = [stream.permutation(places) for _ in range(math.ceil(batches * size / len(places)))]
        of_sources.append(np.concatenate(passes)[: batches * size].reshape(batches, size))
    return torch.from_numpy(np.concatenate(of_sources, axis=1).flatten())


def _for_every_slice(batches: list[Tensor], slices: int) -> list[Tensor]:
    """The random numbers of volumes, one row a volume -> one row a slice, the same for all slices of a volume."""
    return [values.repeat_interleave(slices, dim=0) for values in batches]


def _options_by_batch(options: dict[str, list[Tensor]], batches: int, device: str) -> list[dict[str, Tensor]]:
    """For every batch the values of each option, on the device."""
    by_batch: list[dict[str, Tensor]] = [{} for _ in range(batches)]
    for name, values in options.items():
        for batch, of_batch in zip(by_batch, _to_device(values, device), strict=True):
            batch[name] = of_batch
    return by_batch


def _mixings(sizes: list[int], alpha: float, stream: np.random.Generator, device: str) -> list[Mixing | None]:
    """The random numbers of mixing batches of these sizes, on the device; None for each where ``alpha`` is 0."""
    if not alpha:
        return [None] * len(sizes)
    mixings = [draw_mixing(size, alpha, stream) for size in sizes]
    partners = _to_device([mixing.partner for mixing in mixings], device)
    shares = _to_device([mixing.share for mixing in mixings], device)
    return [Mixing(*of_batch) for of_batch in zip(partners, shares, strict=True)]


def _to_device(batches: Sequence[Tensor], device: str) -> Sequence[Tensor]:
    """The same batches on the device, copied in one transfer."""
    return torch.cat(list(batches)).to(device).split([len(batch) for batch in batches])


def training_rates(config: TrialConfig, epoch: int, size: int, lines: int, stream: np.random.Generator) -> Tensor:
    """(size,) sampling rates of one batch: constant, falling from epoch to epoch, or drawn for each image.

    With ``rate_start`` the rate falls geometrically from it in the first epoch, or after the share ``rate_hold`` of the
    epochs before the first settled one, to ``sampling_rate`` in the first settled epoch. A network that begins dense
    learns from every line before the mask has to choose, and a training can fail to start at a low rate. With
    ``rate_from`` rates are log-uniform between ``rate_from`` and ``rate_to``, rounded to whole numbers of the ``lines``
    coefficients of a mask.
    """
    if config.rate_from is not None:
        drawn = np.exp(stream.uniform(math.log(config.rate_from), math.log(config.rate_to), size))
        return torch.from_numpy(np.maximum(np.round(drawn * lines), 1) / lines).float()
    rate = config.sampling_rate
    if config.rate_start is not None:
        falling = config.first_settled_epoch() - 1  # epochs from the first to the first settled one
        held = config.rate_hold * falling
        left = 1 - min(1.0, max(0.0, epoch - 1 - held) / max(1.0, falling - held))
        rate *= (config.rate_start / rate) ** left
    return torch.full((size,), rate)


def training_temperatures(config: TrialConfig, size: int, stream: np.random.Generator) -> Tensor | None:
    """(size,) temperatures drawn log-uniformly; None where the config does not ask for them."""
    if config.temperature_from is None or config.temperature_to is None:
        return None
    low = math.log(config.temperature_from)
    high = math.log(config.temperature_to)
    return torch.from_numpy(np.exp(stream.uniform(low, high, size))).float()


def training_values(option: Range, size: int, stream: np.random.Generator) -> Tensor:
    """(size,) values of an option, uniform over its whole range."""
    return torch.from_numpy(stream.uniform(option.least, option.most, size)).float()


def compared_configs(config: TrialConfig) -> list[TrialConfig]:
    """The configs whose mean in-domain validation metric chooses the epoch.

    That is the config itself. For a conditional training they are REFERENCES rates, log-spaced from ``rate_from`` to
    ``rate_to``, and as many evenly spaced values of each drawn option; the lowest rate goes with the lowest values.
    They are independent of what is scored, so that every record depends on its own config only.
    """
    if not config.is_conditional:
        return [config]
    compared = [config.training()] * REFERENCES
    if config.rate_from is not None:
        rates = np.geomspace(config.rate_from, config.rate_to, REFERENCES).clip(config.rate_from, config.rate_to)
        compared = _with_values(compared, "sampling_rate", rates)
    for option in drawn_options(config):
        compared = _with_values(compared, option.name, np.linspace(option.least, option.most, REFERENCES))
    return compared


def _with_values(configs: list[TrialConfig], name: str, values: np.ndarray) -> list[TrialConfig]:
    """Each config with its value in this field or option."""
    changes: list[dict[str, Any]] = [{name: float(value)} for value in values]
    return [replace(config, **change) for config, change in zip(configs, changes, strict=True)]
