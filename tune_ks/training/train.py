"""Training as a generator: yields after every epoch. Knows no Ray and opens no results file.

A lone training is a pack of one. Those of a pack meet their own batches at the same time, and nothing else binds them.
"""

import functools
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import mean_of_others
from tune_ks.data.dataset import Batch, Splits
from tune_ks.training.augment import augment
from tune_ks.training.draws import Draws
from tune_ks.training.pack import Passed, pass_together
from tune_ks.training.scoring import val_metrics
from tune_ks.training.training import Epoch, Member
from tune_ks.training.transfer import Weights


class Piece(NamedTuple):
    """A part of one member's batch: all of it where the memory suffices."""

    batch: Batch
    rates: Tensor  # (B,)
    temperatures: Tensor | None  # (B,) where the config draws them


class TrainingFailed(RuntimeError):
    """The training cannot go on; the message is the reason that the record will name."""


def train(
    config: TrialConfig,
    splits: Splits,
    state: dict[str, Any] | None = None,
    device: str = "cpu",
    parts: int = 1,
    cross_domain_at: Collection[int] = (),
    weights: Weights | None = None,
) -> Iterator[Epoch]:
    """Train from the start, from another training's ``weights``, or from the ``state`` of an earlier Epoch, and yield
    after each epoch.

    On a CPU with the same number of threads, a resumed training gives the same bits as one straight through: every
    random number of an epoch comes from (seed, purpose, epoch). TrainingFailed when the loss is not finite. Each batch
    goes through the network in ``parts``, whose gradients are added up: the same batch in less memory. The other
    vendors' validation images are scored after the epochs ``cross_domain_at`` only: there are many of them.
    """
    for found in train_together([Member(config, splits, state, device, weights)], splits, parts, cross_domain_at):
        for epoch in found.values():
            if isinstance(epoch, TrainingFailed):
                raise epoch
            yield epoch


def train_together(
    members: Sequence[Member], splits: Splits, parts: int = 1, cross_domain_at: Collection[int] = ()
) -> Iterator[dict[Member, Epoch | TrainingFailed]]:
    """Train until all have ended, and yield what an epoch was to each that still trained, each its own next one.

    Each member's numbers are those of its training alone, to float tolerance. One whose loss is not finite leaves with
    its TrainingFailed; the caller makes another leave by setting ``left``. Several must share their ``pack_key``.
    """
    while living := [member for member in members if member.goes_on]:
        for member in living:
            member.begin_epoch()
        losses = dict(zip(living, _one_epoch(living, parts)))
        whole = [member for member in living if math.isfinite(losses[member])]
        vals, crosses = _validate(whole, splits, parts, cross_domain_at)
        yield {
            member: member.end_epoch(losses[member], vals[member], crosses.get(member, math.nan))
            if member in vals
            else _failed(member, losses[member])
            for member in living
        }


def step(members: list[Member], draws: list[Draws], parts: int = 1) -> Tensor:
    """One step of each member down the gradient of its own batch; returns their losses, (M,) float64 on the device.

    A loss that is not finite moves nothing of its member.
    """
    batches, size = _batches(members, draws), len(draws[0].rates)
    totals = torch.zeros(len(members), dtype=torch.float64, device=members[0].device)
    for member in members:
        member.optimizer.zero_grad(set_to_none=True)
    for pieces in zip(*(_in_parts(*asked, parts) for asked in zip(batches, draws, strict=True)), strict=True):
        losses = [loss * (len(pieces[0].rates) / size) for loss in _losses(members, pieces)]
        learning = [loss for loss in losses if loss.requires_grad]
        if learning:  # zero-filling alone, with a mask that is fixed, has nothing to learn
            torch.autograd.backward(learning)
        totals += torch.stack([loss.detach() for loss in losses])
    # a fused optimiser leaves this step out, as for torch.amp.GradScaler: looking at the loss here would wait for a GPU
    for member, found_inf in zip(members, (~totals.isfinite()).float(), strict=True):
        member.optimizer.found_inf = found_inf
        member.optimizer.step()
    return totals


def _validate(
    members: list[Member], splits: Splits, parts: int, cross_domain_at: Collection[int]
) -> tuple[dict[Member, float], dict[Member, float]]:
    """The in-domain validation metric of each, and the cross-domain one of those for which it was asked."""
    if not members:
        return {}, {}
    vendor, device = members[0].config.vendor, members[0].device

    def measured(chosen: list[Member], of: str) -> dict[Member, float]:
        return dict(zip(chosen, val_metrics([member.network for member in chosen], splits, of, device, parts)))

    vals = measured(members, vendor)
    asked = [member for member in members if member.number in cross_domain_at]
    others = {of: measured(asked, of) for of in splits.val if asked and of != vendor}
    crosses = {member: mean_of_others({of: found[member] for of, found in others.items()}, vendor) for member in asked}
    return vals, crosses


def _failed(member: Member, loss: float) -> TrainingFailed:
    member.left = True
    return TrainingFailed(
        f"the loss became {loss} in epoch {member.number}: try a lower lr (now {member.config.lr:g}) or a higher "
        f"temperature (now {member.config.temperature})"
    )


def _one_epoch(members: list[Member], parts: int) -> list[float]:
    """Each member's images in its own order; returns each one's mean loss, not finite where a step's was not."""
    losses = [step(members, list(draws), parts) for draws in zip(*(member.draws for member in members), strict=True)]
    sizes = [len(draws.rates) for draws in members[0].draws]
    found = zip(*torch.stack(losses).tolist())  # the one wait of the host for a GPU in an epoch
    return [sum(loss * size for loss, size in zip(own, sizes)) / sum(sizes) for own in found]


def _batches(members: list[Member], draws: list[Draws]) -> list[Batch]:
    """Each member's batch of B images at its own moves; all are moved at once."""
    moves = next((own.moves for own in draws if own.moves is not None), None)
    if moves is not None:
        stays = torch.zeros_like(moves)
        stays[..., 0] = 1  # the sign; filled on the device, as a constant from the host would have to be waited for
        moves = torch.cat([stays if own.moves is None else own.moves for own in draws])
    batch = augment(_gathered(members, [own.index for own in draws]), moves)
    return [Batch(*own) for own in zip(*(values.chunk(len(draws)) for values in batch), strict=True)]


def _gathered(members: list[Member], index: list[Tensor]) -> Batch:
    """(M B) images: each member's, one after another; at once where all see the same ones."""
    first = members[0]
    if all(member.images is first.images for member in members):
        return first.images.gather(torch.cat(index), first.device)
    each = [member.images.gather(own, member.device) for member, own in zip(members, index, strict=True)]
    return Batch(*map(torch.cat, zip(*each, strict=True)))


def _in_parts(batch: Batch, draws: Draws, parts: int) -> Iterator[Piece]:
    split = functools.partial(torch.split, split_size_or_sections=math.ceil(len(draws.rates) / parts))
    batches, rates = zip(*map(split, batch)), split(draws.rates)
    temperatures = [None] * len(rates) if draws.temperatures is None else split(draws.temperatures)
    return (Piece(Batch(*own), *both) for own, *both in zip(batches, rates, temperatures))


def _losses(members: list[Member], pieces: Sequence[Piece]) -> list[Tensor]:
    """Each member's loss of its piece."""
    for member, piece in zip(members, pieces, strict=True):
        if piece.temperatures is not None:
            member.pipeline.sampling.mask.temperature = piece.temperatures
    batches, rates = [piece.batch for piece in pieces], [piece.rates for piece in pieces]
    unclassified = [position for position, member in enumerate(members) if member.alone]
    passed = pass_together([member.learner for member in members], batches, rates, unclassified)
    return [_loss(*own) for own in zip(members, batches, passed, strict=True)]


def _loss(member: Member, batch: Batch, passed: Passed) -> Tensor:
    """The task's loss and ``reconstruction_weight`` times the reconstruction's; the latter where that is ``alone``.

    Where every image is sampled in full there is nothing to reconstruct, and no such loss.
    """
    restored, loss = passed.restored, 0.0 if passed.output is None else member.task.loss(passed.output, batch)
    weight = 1.0 if passed.output is None else member.config.reconstruction_weight
    if weight and restored.measurement is not None:
        loss = loss + weight * member.pipeline.reconstruction.loss(restored.measurement, restored.estimate, batch.image)
    return loss
