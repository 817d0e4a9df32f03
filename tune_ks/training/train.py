"""Training as a generator that yields after every epoch. It does not use Ray and opens no results file.

Packed trainings share only the forward pass.
"""

import functools
import math
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tune_ks.core.domains import is_source, mean_of_others, mean_of_sources
from tune_ks.core.metrics import METRICS
from tune_ks.data.dataset import Batch, Splits
from tune_ks.training.adamw import step_together
from tune_ks.training.draws import Draws
from tune_ks.training.invariances.base import inputs_of
from tune_ks.training.mixup import mixed
from tune_ks.training.pack import Passed, pass_together
from tune_ks.training.recorded import RecordedStep
from tune_ks.training.scoring import val_metrics
from tune_ks.training.tasks import slices_of, task_losses
from tune_ks.training.training import Epoch, Training


class Piece(NamedTuple):
    """A part of one training's batch; the whole batch unless it is split to save memory."""

    batch: Batch
    rates: Tensor  # (B,)
    rates_on_host: Tensor  # (B,), the same
    options: dict[str, Tensor]  # (B,) values of each option that the config draws


class TrainingFailed(RuntimeError):
    """The training cannot continue; the message is the reason that the run folder keeps."""


def train_together(
    trainings: Sequence[Training],
    splits: Splits,
    parts: int = 1,
    cross_domain_at: Collection[int] = (),
    recorded: RecordedStep | None = None,
) -> Iterator[dict[Training, Epoch | TrainingFailed]]:
    """Train all trainings, epoch by epoch; after each epoch yield the Epoch of every training that ran it.

    Several trainings must have the same ``pack_key``. Their results are those of training each alone, to float
    tolerance. On a CPU with the same number of threads, a single training that is resumed gives the same bits as one
    without interruption. A training whose loss is not finite ends with a TrainingFailed; the caller ends a training by
    setting ``left``. Each batch is passed in ``parts`` whose gradients are added, which needs less memory. The other
    vendors' validation images are many, so they are scored only after the epochs ``cross_domain_at``. With ``recorded``
    the steps of a training that is alone are replayed where they can be.
    """
    while going_on := [training for training in trainings if training.goes_on]:
        for training in going_on:
            training.begin_epoch()
        losses = dict(zip(going_on, _one_epoch(going_on, parts, recorded), strict=True))
        finite = [training for training in going_on if math.isfinite(losses[training])]
        in_domain = _in_domain(finite, splits, parts)
        compared = [training for training in finite if training.number in cross_domain_at]
        cross_domain = _cross_domain(compared, splits, parts)
        ends: dict[Training, Epoch | TrainingFailed] = {}
        for training in going_on:
            if training in in_domain:
                cross = cross_domain.get(training, math.nan)
                ends[training] = training.end_epoch(losses[training], in_domain[training], cross)
            else:
                ends[training] = _failed(training, losses[training])
        yield ends


def step(trainings: Sequence[Training], draws: Sequence[Draws], parts: int = 1) -> Tensor:
    """One step of each training on its own batch; returns the M losses, (M,) float64 on the device.

    A training whose loss is not finite keeps its parameters.
    """
    batch = _gathered(trainings, [drawn.positions for drawn in draws])
    totals = learn(trainings, batch, draws, [training.factors(training.steps_done) for training in trainings], parts)
    for training in trainings:
        training.end_step()
    return totals


def learn(
    trainings: Sequence[Training],
    batch: Batch,
    draws: Sequence[Draws],
    factors: Sequence[Sequence[float] | Tensor],
    parts: int = 1,
) -> Tensor:
    """What a step computes: the M losses of a batch of (M B) images, and the weights that follow from them.

    ``factors`` are those of each training's learning rates. Of a training without an invariance nothing else that it
    reads changes from step to step, so it can be recorded (tune_ks.training.recorded).
    """
    batches = _augmented_batches(trainings, batch, draws)
    for position, (training, drawn) in enumerate(zip(trainings, draws, strict=True)):
        if not training.style.commutes:
            with training.noise:
                batches[position] = training.style.apply(batches[position])
        if drawn.mixing is not None:
            batches[position] = mixed(batches[position], drawn.mixing)
    size = len(draws[0].rates)
    totals = torch.zeros(len(trainings), dtype=torch.float64, device=trainings[0].device)
    for training in trainings:
        training.begin_step()
    if trainings[0].invariance.by_domain:  # it compares the sources within the whole batch
        parts = 1
    slices = slices_of(trainings[0].config)
    in_pieces = [_in_pieces(batch, drawn, parts, slices) for batch, drawn in zip(batches, draws, strict=True)]
    for pieces in zip(*in_pieces, strict=True):
        share = len(pieces[0].rates) / size
        losses = torch.stack(_losses(trainings, pieces))
        if losses.requires_grad:  # not where fixed masks and zero-filling are trained without the classifier
            (losses * share).sum().backward()  # a gradient given to backward would import sympy, for a second
        totals += losses.detach() * share
    # reading the losses here, to skip a step on the host, would wait for the GPU
    skips = (~totals.isfinite()).float()
    step_together([training.update(*given) for training, *given in zip(trainings, skips, factors, strict=True)])
    return totals


def _in_domain(trainings: list[Training], splits: Splits, parts: int) -> dict[Training, float]:
    """The in-domain validation metric of each training: of several source vendors the mean over them."""
    if not trainings:
        return {}
    source = trainings[0].config.vendor
    by_vendor = {vendor: _measured(trainings, splits, vendor, parts) for vendor in trainings[0].config.sources}
    means = {}
    for training in trainings:
        means[training] = mean_of_sources({vendor: metrics[training] for vendor, metrics in by_vendor.items()}, source)
    return means


def _cross_domain(trainings: list[Training], splits: Splits, parts: int) -> dict[Training, float]:
    """The cross-domain validation metric of each training: the mean over the other vendors that its record counts."""
    if not trainings:
        return {}
    source = trainings[0].config.vendor
    patients = {vendor: images.class_patients() for vendor, images in splits.val.items()}
    others = [vendor for vendor in splits.val if not is_source(vendor, source)]
    by_vendor = {vendor: _measured(trainings, splits, vendor, parts) for vendor in others}
    means = {}
    for training in trainings:
        of_training = {vendor: metrics[training] for vendor, metrics in by_vendor.items()}
        classes = METRICS[training.task.metric].classes
        means[training] = mean_of_others(of_training, source, patients, classes)
    return means


def _measured(trainings: list[Training], splits: Splits, vendor: str, parts: int) -> dict[Training, float]:
    networks = [training.network for training in trainings]
    return dict(zip(trainings, val_metrics(networks, splits, vendor, trainings[0].device, parts), strict=True))


def _failed(training: Training, loss: float) -> TrainingFailed:
    training.left = True
    ways_out = f"a lower lr (now {training.config.lr:g})"
    temperature = training.config.options.get("temperature")
    if temperature is not None:
        ways_out += f" or a higher temperature (now {temperature})"
    return TrainingFailed(f"the loss became {loss} in epoch {training.number}: try {ways_out}")


def _one_epoch(trainings: list[Training], parts: int, recorded: RecordedStep | None = None) -> list[float]:
    """Train one epoch; the mean loss of each training, not finite where the loss of one step was not."""

    def ordinary(draws: Sequence[Draws]) -> Tensor:
        return step(trainings, draws, parts)

    take = ordinary if recorded is None else recorded.of_epoch(trainings, parts, ordinary, learn)
    losses = torch.stack([take(draws) for draws in zip(*(training.draws for training in trainings), strict=True)])
    sizes = [len(draws.rates) for draws in trainings[0].draws]
    by_training = zip(*losses.tolist())  # the only place of an epoch where the host waits for a GPU
    return [_weighted_mean(of_training, sizes) for of_training in by_training]


def _weighted_mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _augmented_batches(trainings: Sequence[Training], batch: Batch, draws: Sequence[Draws]) -> list[Batch]:
    """(M B) images -> the augmented batch of each training; in one call where all have the same augmentation."""
    augmentation = trainings[0].augmentation
    if all(training.augmentation == augmentation for training in trainings):
        random_numbers = [drawn.augmentation for drawn in draws if drawn.augmentation is not None]
        batch = augmentation.apply(batch, torch.cat(random_numbers) if random_numbers else None)
        return _chunks(batch, len(draws))
    batches = zip(trainings, _chunks(batch, len(draws)), draws, strict=True)
    return [training.augmentation.apply(batch, drawn.augmentation) for training, batch, drawn in batches]


def _gathered(trainings: Sequence[Training], index: list[Tensor]) -> Batch:
    """(M B) images, those of the first training first; read in one call where all train on the same images."""
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


def _in_pieces(batch: Batch, draws: Draws, parts: int, slices: int = 1) -> list[Piece]:
    """A batch of B images and its random numbers in ``parts`` pieces of nearly equal size.

    ``slices`` consecutive images stay together, so that there are fewer pieces where there are fewer volumes.
    """
    size = slices * math.ceil(len(draws.rates) / (parts * slices))
    columns = [values.split(size) for values in batch]
    rates = draws.rates.split(size)
    rates_on_host = draws.rates_on_host.split(size)
    options: list[dict[str, Tensor]] = [{} for _ in rates]
    for name, values in draws.options.items():
        for piece, of_piece in zip(options, values.split(size), strict=True):
            piece[name] = of_piece
    batches = [Batch(*values) for values in zip(*columns, strict=True)]
    return [Piece(*piece) for piece in zip(batches, rates, rates_on_host, options, strict=True)]


def _losses(trainings: Sequence[Training], pieces: Sequence[Piece]) -> list[Tensor]:
    """The loss of each training on its piece of the batch."""
    for training, piece in zip(trainings, pieces, strict=True):
        training.pipeline.tell(piece.options)
    networks = [training.learner(piece.rates_on_host) for training, piece in zip(trainings, pieces, strict=True)]
    batches = [piece.batch for piece in pieces]
    rates = [piece.rates for piece in pieces]
    unclassified = [position for position, training in enumerate(trainings) if training.reconstructs_alone]
    with inputs_of(trainings[0].compared_layer) as features:
        passed = pass_together(networks, batches, rates, unclassified)
    classified = [position for position in range(len(trainings)) if position not in unclassified]
    of_tasks = _task_losses(
        [trainings[position] for position in classified],
        [of_training.output for of_training in passed if of_training.output is not None],
        [batches[position] for position in classified],
        features[0] if features else None,
    )
    losses: list[Tensor | None] = [None] * len(trainings)
    for position, of_task in zip(classified, of_tasks, strict=True):
        losses[position] = of_task
    return [_loss(*of_training) for of_training in zip(trainings, passed, losses, strict=True)]


def _task_losses(
    trainings: Sequence[Training], outputs: Sequence[Tensor], batches: Sequence[Batch], features: Tensor | None
) -> Sequence[Tensor]:
    """The loss of the task of each training; of one that is trained alone, as its invariance has it."""
    if len(trainings) == 1:
        training = trainings[0]
        return [training.invariance.loss(training.task, outputs[0], batches[0], features, training.steps_done)]
    return task_losses([training.task for training in trainings], outputs, batches)


def _loss(training: Training, passed: Passed, of_task: Tensor | None) -> Tensor:
    """The task's loss plus ``weight`` times the reconstruction's loss; only the latter where the task has none.

    At full sampling there is nothing to reconstruct, so the reconstruction has no loss.
    """
    reconstruction = training.pipeline.reconstruction
    restored = passed.restored
    weight = 1.0 if of_task is None else reconstruction.weight
    terms = [] if of_task is None else [of_task]
    if weight and restored.measurement is not None and restored.estimate is not None:
        measurement = restored.measurement
        terms.append(weight * reconstruction.loss(measurement, restored.estimate, measurement.full))
    return functools.reduce(torch.add, terms)
