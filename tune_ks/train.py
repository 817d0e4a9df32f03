"""Training as a generator: yields one Epoch at a time. Knows no Ray and opens no results file."""

import math
import time
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tune_ks.augment import augment
from tune_ks.data.dataset import Batch, Images, Splits
from tune_ks.draws import Draws, draw_epoch
from tune_ks.optimiser import build_optimiser, start_epoch
from tune_ks.pipeline import KSpaceClassifier, build_pipeline
from tune_ks.quality import reconstruction_quality
from tune_ks.rates import compared_configs
from tune_ks.record import TrialConfig, mean_of_others
from tune_ks.seeding import seed_for
from tune_ks.tasks import Task, task_of
from tune_ks.transfer import Weights, begin_from

EVALUATION_BATCH = 256
DRAWS = 4  # random masks over which the export gap is averaged


class Epoch(NamedTuple):
    """What one epoch found. ``val`` is the in-domain validation metric; ``state`` resumes after this epoch."""

    number: int  # from 1
    loss: float  # mean over the epoch's images
    val: float
    state: dict[str, Any]
    cross: float = math.nan  # mean of the other vendors, where it was asked for; it chooses nothing here


class Outcome(NamedTuple):
    """What a finished training is worth, scored with the weights of its best epoch and the mask that is exported."""

    pipeline: KSpaceClassifier
    epoch: int
    history: list[dict[str, float]]
    scores: dict[str, dict[str, np.ndarray]]  # split -> vendor -> (n,) of the task, in the order of the split's images
    draws: dict[str, np.ndarray]  # vendor -> (DRAWS, n) validation scores under random masks
    mask: np.ndarray  # (W,) or (H, W) bool
    probability: np.ndarray  # same shape, float32
    quality: dict[str, dict[str, float]]  # vendor -> reconstruction_quality on test images; {} where R learns nothing


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
    torch.manual_seed(seed_for(config.seed, "init"))
    pipeline = build_pipeline(config, splits.train.side).to(device)
    task = task_of(config)(config).to(device)
    if weights is not None:
        begin_from(pipeline, config, weights)
    optimizer = build_optimiser(config, pipeline, task)
    history: list[dict[str, float]] = []
    best: dict[str, Any] = {"val": -math.inf, "epoch": 0, "weights": {}}
    if state is not None:
        pipeline.load_state_dict(state["weights"])
        task.load_state_dict(state.get("task", {}))  # an earlier version's checkpoint has none
        optimizer.load_state_dict(state["optimizer"])
        history, best = list(state["history"]), state["best"]
    settled_from = config.first_settled_epoch()
    for number in range(len(history) + 1, config.epochs + 1):
        torch.manual_seed(seed_for(config.seed, "noise", number))
        _anneal(config, pipeline, number)
        start_epoch(config, pipeline)
        if config.settle and number >= settled_from:
            pipeline.sampling.mask.eval()  # from here on the network meets the very mask that will be exported
        loss = _one_epoch(config, pipeline, task, optimizer, splits.train, number, device, parts)
        val = val_metric(pipeline, splits, config.vendor, config, device, parts)
        history.append({"epoch": number, "loss": loss, "val_in_domain": val})
        cross = math.nan
        if number in cross_domain_at:
            others = {
                v: val_metric(pipeline, splits, v, config, device, parts) for v in splits.val if v != config.vendor
            }
            cross = history[-1]["val_cross_domain"] = mean_of_others(others, config.vendor)
        # in-domain validation alone chooses the epoch: the cross-domain vendors must not
        if number >= settled_from and (val > best["val"] or not best["epoch"]):
            exported = {name: value.detach().cpu().clone() for name, value in pipeline.state_dict().items()}
            best = {"val": val, "epoch": number, "weights": exported}
        state = {
            "weights": pipeline.state_dict(),
            "task": task.state_dict(),
            "optimizer": optimizer.state_dict(),
            "history": list(history),
            "best": best,
        }
        yield Epoch(number, loss, val, state, cross)


def finish(config: TrialConfig, splits: Splits, state: dict[str, Any], device: str = "cpu", parts: int = 1) -> Outcome:
    """Score every validation and test image with the best weights of a training's last ``state``."""
    pipeline = build_pipeline(config, splits.train.side).to(device)
    pipeline.load_state_dict(state["best"]["weights"])
    scores = {
        split: {v: score(pipeline, images, config, device, parts=parts) for v, images in getattr(splits, split).items()}
        for split in ("val", "test")
    }
    torch.manual_seed(seed_for(config.seed, "draws"))
    draws = {
        vendor: np.stack([score(pipeline, images, config, device, True, parts) for _ in range(DRAWS)])
        for vendor, images in splits.val.items()
    }
    mask, probability = exported_mask(pipeline, config.sampling_rate, device)
    quality = {}
    if not pipeline.fully_sampled and any(True for _ in pipeline.reconstruction.parameters()):
        for vendor, images in splits.test.items():
            quality[vendor] = reconstruction_quality(pipeline, images, config.sampling_rate, device, parts)
    return Outcome(pipeline, state["best"]["epoch"], state["history"], scores, draws, mask, probability, quality)


def val_metric(
    pipeline: KSpaceClassifier, splits: Splits, vendor: str, config: TrialConfig, device: str, parts: int
) -> float:
    """The metric of one vendor's validation images, with the binary mask; over several rates, their mean."""
    images = splits.val[vendor]
    scores = [score(pipeline, images, one, device, parts=parts) for one in compared_configs(config)]
    return float(np.mean([task_of(config).measure(images, one) for one in scores]))


@torch.no_grad()
def score(
    pipeline: KSpaceClassifier,
    images: Images,
    config: TrialConfig,
    device: str = "cpu",
    random_mask: bool = False,
    parts: int = 1,
) -> np.ndarray:
    """(n,) the task's scores of ``images`` with the binary mask, or with a random mask an image (``random_mask``)."""
    pipeline.eval()
    if config.temperature is not None:
        pipeline.sampling.mask.temperature = config.temperature
    if random_mask:
        pipeline.sampling.mask.train()
    task, scores = task_of(config), []
    for index in torch.arange(len(images), device=images.home(device)).split(EVALUATION_BATCH // parts):
        batch = images.gather(index, device)
        scores.append(task.score(pipeline(batch.image, _rates(config, batch), batch.acquisition), batch))
    return torch.cat(scores).cpu().numpy() if scores else np.empty(0, np.float32)


@torch.no_grad()
def exported_mask(pipeline: KSpaceClassifier, rate: float, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """The binary mask (bool) and the inclusion probabilities (float32), (W,) for lines and (H, W) for points."""
    mask = pipeline.sampling.mask
    rates = torch.tensor([rate], device=device)
    binary = mask.binary(rates)[0].bool().cpu().numpy()
    probability = mask.probability(rates)[0].float().cpu().numpy()
    return (binary[0], probability[0]) if len(binary) == 1 else (binary, probability)


def timed_steps(config: TrialConfig, splits: Splits, device: str = "cpu") -> tuple[float, float]:
    """Seconds an image of training and of scoring, from one batch to warm up and two that count.

    Of steps that train everything: those of ``reconstruction_epochs`` spare the classifier and take a little less.
    """
    pipeline = build_pipeline(config, splits.train.side).to(device)
    task = task_of(config)(config).to(device)
    optimizer = build_optimiser(config, pipeline, task)
    images, lines = splits.train, pipeline.sampling.mask.radius.numel()
    draws = draw_epoch(config, images, config.epochs, lines, device)[0]
    index = draws.index
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        pipeline.train()
        _step(config, pipeline, task, optimizer, images, draws, device).item()
        trained = time.perf_counter()
        pipeline.eval()
        with torch.no_grad():
            batch = splits.train.gather(index, device)
            pipeline(batch.image, _rates(config, batch), batch.acquisition)
        seconds.append((trained - started, time.perf_counter() - trained))
    training, scoring = (sum(column) / 2 / len(index) for column in zip(*seconds[1:]))
    return training, scoring


def _anneal(config: TrialConfig, pipeline: KSpaceClassifier, number: int) -> None:
    """Geometric from ``temperature`` at the first epoch to ``temperature_end`` at the last."""
    if config.temperature is None or config.temperature_end is None:
        return
    share = (number - 1) / max(1, config.epochs - 1)
    pipeline.sampling.mask.temperature = config.temperature * (config.temperature_end / config.temperature) ** share


def _one_epoch(
    config: TrialConfig,
    pipeline: KSpaceClassifier,
    task: Task,
    optimizer: torch.optim.Optimizer,
    images: Images,
    number: int,
    device: str,
    parts: int,
) -> float:
    lines = pipeline.sampling.mask.radius.numel()
    alone = number <= config.reconstruction_epochs and not pipeline.fully_sampled
    batches = draw_epoch(config, images, number, lines, device)
    losses = [_step(config, pipeline, task, optimizer, images, draws, device, parts, alone) for draws in batches]
    total = 0.0
    for draws, loss in zip(batches, torch.stack(losses).tolist()):  # the one wait of the host for a GPU in an epoch
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"the loss became {loss} in epoch {number}: try a lower lr (now {config.lr:g}) or a higher "
                f"temperature (now {config.temperature})"
            )
        total += loss * len(draws.rates)
    return total / len(images)


def _step(
    config: TrialConfig,
    pipeline: KSpaceClassifier,
    task: Task,
    optimizer: torch.optim.Optimizer,
    images: Images,
    draws: Draws,
    device: str,
    parts: int = 1,
    alone: bool = False,
) -> Tensor:
    """One step down the gradient of one batch; returns its loss, a float64 on the device.

    ``alone`` is as for ``_loss``. A loss that is not finite moves nothing.
    """
    batch = augment(images.gather(draws.index, device), draws.moves)
    rates, drawn = draws.rates, draws.temperatures is not None
    optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), dtype=torch.float64, device=device)
    given = (rates, draws.temperatures if drawn else rates, *batch)
    for rate, temperature, *of_batch in zip(*(values.split(math.ceil(len(rates) / parts)) for values in given)):
        if drawn:
            pipeline.sampling.mask.temperature = temperature
        loss = _loss(config, pipeline, task, Batch(*of_batch), rate, alone) * (len(rate) / len(rates))
        if loss.requires_grad:  # zero-filling alone, with a mask that is fixed, has nothing to learn
            loss.backward()
        total += loss.detach()
    # a fused optimiser leaves this step out, as for torch.amp.GradScaler: looking at the loss here would wait for a GPU
    optimizer.found_inf = (~total.isfinite()).float()
    optimizer.step()
    return total


def _loss(
    config: TrialConfig, pipeline: KSpaceClassifier, task: Task, batch: Batch, rate: Tensor, alone: bool
) -> Tensor:
    """The task's loss and ``reconstruction_weight`` times the reconstruction's, or the latter ``alone``.

    Where every image is sampled in full there is nothing to reconstruct, and no such loss.
    """
    restored = pipeline.restore(batch.image, rate)
    weight = 1.0 if alone else config.reconstruction_weight
    loss = 0.0 if alone else task.loss(pipeline.classify(restored.image, rate, batch.acquisition), batch)
    if weight and restored.measurement is not None:
        loss = loss + weight * pipeline.reconstruction.loss(restored.measurement, restored.estimate, batch.image)
    return loss


def _rates(config: TrialConfig, batch: Batch) -> Tensor:
    return torch.full((len(batch.label),), config.sampling_rate, device=batch.label.device)
