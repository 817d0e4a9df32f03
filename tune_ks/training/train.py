"""Training as a generator that yields after every epoch. Knows no Ray and opens no results file.

Several trainings can share their forward pass (a pack); nothing else is shared.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tune_ks.core.record import mean_of_others
from tune_ks.data.dataset import Batch, Splits
from tune_ks.training.draws import Draws
from tune_ks.training.pack import Passed, pass_together
from tune_ks.training.scoring import val_metrics
from tune_ks.training.training import Epoch, Training


class Piece(NamedTuple):
    """A part of one training's batch: all of it where the memory suffices."""

    batch: Batch
    rates: Tensor  # (B,)
    temperatures: Tensor | None  # (B,) where the config draws them


class TrainingFailed(RuntimeError):
    """The training cannot go on; the message is the reason that the record will name."""


def train_together(
    trainings: Sequence[Training], splits: Splits, parts: int = 1, cross_domain_at: Collection[int] = ()
) -> Iterator[dict[Training, Epoch | TrainingFailed]]:
    """Train all to their ends, one epoch of each at a time; yields the Epoch of every training that still goes on.

    Each training's numbers are those of its training alone, to float tolerance; on a CPU with the same number of
    threads, a lone one that is resumed gives the same bits as one straight through. A training whose loss is not finite
    leaves with its TrainingFailed; the caller makes another leave by setting ``left``. Several must share their
    ``pack_key``. Each batch goes through the network in ``parts``, whose gradients are added up: the same batch in less
    memory. The other vendors' validation images are scored after the epochs ``cross_domain_at`` only: there are many.
    """
    while going_on := [training for training in trainings if training.goes_on]:
        for training in going_on:
            training.begin_epoch()
        losses = dict(zip(going_on, _one_epoch(going_on, parts), strict=True))
        whole = [training for training in going_on if math.isfinite(losses[training])]
        in_domain = _in_domain(whole, splits, parts)
        cross_domain = _cross_domain([one for one in whole if one.number in cross_domain_at], splits, parts)
        ends: dict[Training, Epoch | TrainingFailed] = {}
        for training in going_on:
            if training in in_domain:
                cross = cross_domain.get(training, math.nan)
                ends[training] = training.end_epoch(losses[training], in_domain[training], cross)
            else:
                ends[training] = _failed(training, losses[training])
        yield ends


def step(trainings: Sequence[Training], draws: Sequence[Draws], parts: int = 1) -> Tensor:
    """One optimiser step of each training on its own batch; returns their losses, (M,) float64 on the device.

    Where a loss is not finite, nothing of that training moves.
    """
    batches = _augmented_batches(trainings, draws)
    size = len(draws[0].rates)
    totals = torch.zeros(len(trainings), dtype=torch.float64, device=trainings[0].device)
    for training in trainings:
        training.optimizer.zero_grad(set_to_none=True)
    in_pieces = [_in_pieces(batch, drawn, parts) for batch, drawn in zip(batches, draws, strict=True)]
    for pieces in zip(*in_pieces, strict=True):
        share = len(pieces[0].rates) / size
        losses = [loss * share for loss in _losses(trainings, pieces)]
        learning = [loss for loss in losses if loss.requires_grad]
        if learning:  # zero-filling alone, with a mask that is fixed, has nothing to learn
            torch.autograd.backward(learning)
        totals += torch.stack([loss.detach() for loss in losses])
    # a fused optimiser leaves this step out, as for torch.amp.GradScaler: looking at the loss here would wait for a GPU
    for training, found_inf in zip(trainings, (~totals.isfinite()).float(), strict=True):
        training.optimizer.found_inf = found_inf
        training.optimizer.step()
    return totals


def _in_domain(trainings: list[Training], splits: Splits, parts: int) -> dict[Training, float]:
    """The in-domain validation metric of each."""
    if not trainings:
        return {}
    return _measured(trainings, splits, trainings[0].config.vendor, parts)


def _cross_domain(trainings: list[Training], splits: Splits, parts: int) -> dict[Training, float]:
    """The cross-domain validation metric of each: the mean over the other vendors."""
    if not trainings:
        return {}
    source = trainings[0].config.vendor
    by_vendor = {vendor: _measured(trainings, splits, vendor, parts) for vendor in splits.val if vendor != source}
    means = {}
    for training in trainings:
        of_training = {vendor: metrics[training] for vendor, metrics in by_vendor.items()}
        means[training] = mean_of_others(of_training, source)
    return means


def _measured(trainings: list[Training], splits: Splits, vendor: str, parts: int) -> dict[Training, float]:
    networks = [training.network for training in trainings]
    return dict(zip(trainings, val_metrics(networks, splits, vendor, trainings[0].device, parts), strict=True))


def _failed(training: Training, loss: float) -> TrainingFailed:
    training.left = True
    temperature = training.config.options.get("temperature")
    return TrainingFailed(
        f"the loss became {loss} in epoch {training.number}: try a lower lr (now {training.config.lr:g}) or a higher "
        f"temperature (now {temperature})"
    )


def _one_epoch(trainings: list[Training], parts: int) -> list[float]:
    """The mean loss of each over its images, each in its own order; not finite where the loss of a step was not."""
    steps = zip(*(training.draws for training in trainings), strict=True)
    losses = torch.stack([step(trainings, draws, parts) for draws in steps])
    sizes = [len(draws.rates) for draws in trainings[0].draws]
    by_training = zip(*losses.tolist())  # the one wait of the host for a GPU in an epoch
    return [_weighted_mean(of_training, sizes) for of_training in by_training]


def _weighted_mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _augmented_batches(trainings: Sequence[Training], draws: Sequence[Draws]) -> list[Batch]:
    """The augmented batch of each training; all at once where all are augmented alike."""
    batch = _gathered(trainings, [drawn.index for drawn in draws])
    augmentation = trainings[0].augmentation
    if all(training.augmentation == augmentation for training in trainings):
        drawn = [each.augmentation for each in draws]
        batch = augmentation.apply(batch, None if drawn[0] is None else torch.cat(drawn))
        return _chunks(batch, len(draws))
    batches = zip(trainings, _chunks(batch, len(draws)), draws, strict=True)
    return [training.augmentation.apply(batch, drawn.augmentation) for training, batch, drawn in batches]


def _gathered(trainings: Sequence[Training], index: list[Tensor]) -> Batch:
    """(M B) images: those of each training, one after another; read at once where all see the same ones."""
    first = trainings[0]
    if all(training.images is first.images for training in trainings):
        return first.images.gather(torch.cat(index), first.device)
    batches = []
    for training, of_training in zip(trainings, index, strict=True):
        batches.append(training.images.gather(of_training, training.device))
    return Batch(*map(torch.cat, zip(*batches, strict=True)))


def _chunks(batch: Batch, count: int) -> list[Batch]:
    """(M B) images -> M batches of B."""
    columns = [values.chunk(count) for values in batch]
    return [Batch(*values) for values in zip(*columns, strict=True)]


def _in_pieces(batch: Batch, draws: Draws, parts: int) -> list[Piece]:
    """A batch of B images and its random numbers in ``parts`` pieces of nearly equal size."""
    size = math.ceil(len(draws.rates) / parts)
    columns = [values.split(size) for values in batch]
    rates = draws.rates.split(size)
    temperatures = [None] * len(rates) if draws.temperatures is None else draws.temperatures.split(size)
    batches = [Batch(*values) for values in zip(*columns, strict=True)]
    return [Piece(*piece) for piece in zip(batches, rates, temperatures, strict=True)]


def _losses(trainings: Sequence[Training], pieces: Sequence[Piece]) -> list[Tensor]:
    """The loss of each training on its piece."""
    for training, piece in zip(trainings, pieces, strict=True):
        if piece.temperatures is not None:
            training.pipeline.sampling.mask.temperature = piece.temperatures
    networks = [training.learner for training in trainings]
    batches = [piece.batch for piece in pieces]
    rates = [piece.rates for piece in pieces]
    unclassified = [position for position, training in enumerate(trainings) if training.reconstructs_alone]
    passed = pass_together(networks, batches, rates, unclassified)
    return [_loss(*of_training) for of_training in zip(trainings, batches, passed, strict=True)]


def _loss(training: Training, batch: Batch, passed: Passed) -> Tensor:
    """The task's loss and the reconstruction's at its weight; the latter alone where nothing was classified.

    Where every image is sampled in full there is nothing to reconstruct, and no such loss.
    """
    reconstruction, restored = training.pipeline.reconstruction, passed.restored
    if passed.output is None:
        loss, weight = 0.0, 1.0
    else:
        loss, weight = training.task.loss(passed.output, batch), reconstruction.weight
    if weight and restored.measurement is not None:
        loss = loss + weight * reconstruction.loss(restored.measurement, restored.estimate, batch.image)
    return loss
