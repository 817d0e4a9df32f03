"""The state of one training: network, optimiser, random numbers and history."""

import copy
import math
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from tune_ks.core.config import TrialConfig
from tune_ks.core.seeding import seed_for
from tune_ks.data.dataset import Images, Splits
from tune_ks.model.classifiers.base import last_layer
from tune_ks.model.masks.by_distance import mean_by_distance
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline
from tune_ks.model.transforms.base import Transform
from tune_ks.training.adamw import Update
from tune_ks.training.augmentations import build_augmentation
from tune_ks.training.augmentations.base import Augmentation
from tune_ks.training.average import Average
from tune_ks.training.chance import stayed_at_chance
from tune_ks.training.coils import require_serves_coils
from tune_ks.training.draws import draw_epoch
from tune_ks.training.invariances import build_invariance
from tune_ks.training.noise import Noise
from tune_ks.training.optimiser import build_optimiser, clip_gradient, is_of_mask, start_epoch
from tune_ks.training.pack import Network
from tune_ks.training.schedules import build_schedule
from tune_ks.training.stored_fits import recall_fits
from tune_ks.training.styles import build_style
from tune_ks.training.tasks import build_task
from tune_ks.training.transfer import Weights, begin_from

SAMPLED_BYTES = 2**30  # training images are kept after a fixed mask was applied, up to this size in a process

# training images -> the identity of a harmonisation, and the images after it
_harmonised: WeakKeyDictionary[Images, tuple[tuple, Images]] = WeakKeyDictionary()


class Epoch(NamedTuple):
    """The result of one epoch. ``val`` is the in-domain validation metric; ``state`` resumes after this epoch."""

    number: int  # from 1
    loss: float  # mean over the epoch's images
    val: float
    state: dict[str, Any]
    cross: float = math.nan  # mean of the other vendors, NaN where not computed; it does not choose the epoch


class Training:
    """The network of one config, its task, optimiser, random numbers, history and best epoch so far.

    It starts from random weights, from another training's ``weights``, or from the ``state`` of an earlier Epoch. Every
    random number of an epoch is seeded by (seed, purpose, epoch), so it does not depend on other trainings.
    """

    history: list[dict[str, float]]  # of each epoch
    mask_history: list[Tensor]
    best: dict[str, Any]  # metric, number and weights of the best epoch

    def __init__(
        self,
        config: TrialConfig,
        splits: Splits,
        state: dict[str, Any] | None = None,
        device: str = "cpu",
        weights: Weights | None = None,
        together: int = 1,
    ) -> None:
        """``together`` trainings share the memory of this process."""
        self.config = config
        self.together = together
        self.splits = splits
        self.device = device
        self.left = False  # True when it ended before its last epoch: it failed, or a scheduler stopped it
        self.restarts = 0 if state is None else state.get("restarts", 0)
        self._begin(weights)
        if state is not None:
            self.pipeline.load_state_dict(state["weights"])
            self.task.load_state_dict(state.get("task", {}))  # an earlier version's checkpoint has none
            self.invariance.load_state_dict(state.get("invariance", {}))
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self.history = list(state["history"])
            self.mask_history = list(state.get("mask_history", []))
            self.best = state["best"]

    def _begin(self, weights: Weights | None = None) -> None:
        """Initial weights, those of the ``restarts``-th restart, and an empty history."""
        config = self.config
        train = self.splits.train
        if train.coils:
            require_serves_coils(config)
        purpose = ("init", self.restarts) if self.restarts else ("init",)
        torch.manual_seed(seed_for(config.seed, *purpose))
        self.pipeline = build_pipeline(config, train.side).to(self.device)
        self.task = build_task(config).to(self.device)
        self.task.prepare(train)
        self.invariance = build_invariance(config).to(self.device)
        self.augmentation = build_augmentation(config)
        self.style = build_style(config)
        if weights is not None:
            begin_from(self.pipeline, config, weights)
        self.pipeline.harmonisation.fit(train.in_chunks())
        self.optimizer = build_optimiser(config, self.pipeline, self.task)
        self.is_of_mask = is_of_mask(self.optimizer, self.pipeline)
        self.schedule = build_schedule(config)
        self.average = Average(self.pipeline, config.average) if config.average else None
        recall_fits(config.harmonise, self.pipeline.harmonisation, train)
        self.images, self.trained = harmonised_beforehand(self.pipeline, train)
        if not self.task.mixup and self.style.commutes:  # mixing does not commute with sampling
            self.images, self.trained = sampled_beforehand(
                config, self.trained, self.augmentation, self.images, self.device, SAMPLED_BYTES // self.together
            )
        self.history = []
        self.mask_history = []
        self.best = {"val": -math.inf, "epoch": 0, "weights": {}}
        if config.epochs == 0:  # nothing is trained: what is scored and exported is what was built
            self.best["weights"] = self._exported()

    @property
    def network(self) -> Network:
        """The network for scoring, with averaged weights where they are averaged: it samples every image itself."""
        return Network(self.config, self.scored, self.noise)

    @property
    def scored(self) -> KSpaceClassifier:
        """The weights that are scored and exported: the averaged ones, or those of the last step."""
        return self.pipeline if self.average is None else self.average.pipeline

    def learner(self, rates: Tensor) -> Network:
        """The network for training on images at ``rates`` (B,), given on the host.

        It does not sample where a fixed mask was applied to the images beforehand.
        """
        mask = self.epoch_mask
        if mask is None and self.samples_fixed_masks:
            mask = self.pipeline.sampling.mask.probability(rates)
        return Network(self.config, self.trained, self.noise, mask)

    @property
    def at_chance(self) -> bool:
        """Whether all epochs were trained, and it stayed at chance (tune_ks.training.chance)."""
        config = self.config
        if len(self.history) < config.epochs or config.epochs == 0:
            return False
        alone = self.pipeline.reconstruction.epochs_alone
        losses = [line["loss"] for line in self.history if line["epoch"] > alone]
        first = config.first_settled_epoch()
        values = [line["val_in_domain"] for line in self.history if line["epoch"] >= first]
        label = torch.cat([self.splits.val[source].label for source in config.sources]).numpy()
        return stayed_at_chance(losses, self.task.constant_loss(), values, label)

    @property
    def begins_again(self) -> bool:
        """Whether it stayed at chance, and its config allows another restart."""
        return self.restarts < self.config.restarts and self.at_chance

    @property
    def goes_on(self) -> bool:
        """Whether there is another epoch to train."""
        return not self.left and (len(self.history) < self.config.epochs or self.begins_again)

    @property
    def is_whole(self) -> bool:
        """Whether all epochs were trained, those of the restarts included."""
        return not self.left and len(self.history) == self.config.epochs and not self.begins_again

    def begin_epoch(self) -> None:
        """Draw the next epoch's random numbers, seed the modules' noise, set the mask's temperature and mode.

        A training that stayed at chance and may restart begins again here, with its first epoch.
        """
        config = self.config
        if self.begins_again:
            self.restarts += 1
            self._begin()
        self.number = len(self.history) + 1
        self.noise = Noise(seed_for(config.seed, "noise", self.number), self.device)
        mask = self.pipeline.sampling.mask
        lines = mask.radius.numel()
        self.draws = draw_epoch(
            config,
            self.augmentation,
            self.images,
            self.number,
            lines,
            self.device,
            self.task.mixup,
            self.invariance.by_domain,
        )
        early = self.number <= self.pipeline.reconstruction.epochs_alone
        self.reconstructs_alone = early and not self.pipeline.nothing_to_sample
        mask.anneal((self.number - 1) / max(1, config.epochs - 1))
        self.steps_done = (self.number - 1) * len(self.draws)
        start_epoch(config, self.pipeline)
        if config.settle and self.number >= config.first_settled_epoch():
            if self.average is not None:
                self.average.settle_mask()
            mask.eval()  # from here on the network is trained on the binary mask that will be exported
        self.samples_fixed_masks = not (mask.random or self.trained.nothing_to_sample)
        if self.samples_fixed_masks:
            mask.prepare(torch.cat([drawn.rates_on_host for drawn in self.draws]))
        self.epoch_mask = self._epoch_mask()

    @torch.no_grad()
    def _epoch_mask(self) -> Tensor | None:
        """(1, H or 1, W), the mask of every image of the epoch; None where images differ or the mask still learns."""
        mask = self.pipeline.sampling.mask
        if self.trained.nothing_to_sample or mask.rates_differ or mask.is_drawn:
            return None
        return mask.binary(self.draws[0].rates[:1])

    @property
    def compared_layer(self) -> nn.Module | None:
        """The network's last layer, where the invariance reads what enters it."""
        return last_layer(self.trained.classifier) if self.invariance.reads_features else None

    def begin_step(self) -> None:
        """Forget the gradients of the step before, and the moments where the loss changes with this step."""
        if self.invariance.restarts_optimiser(self.steps_done):
            self.optimizer.restart()
        self.optimizer.zero_grad()

    def factors(self, step: int) -> list[float]:
        """The factor of each group's learning rate at ``step``, counted from 0 over all epochs."""
        steps = self.config.epochs * len(self.draws)
        of_network = self.schedule.factor(step, steps)
        of_mask = self.schedule.mask_factor(step, steps)
        return [of_mask if is_of_mask else of_network for is_of_mask in self.is_of_mask]

    def update(self, skip: Tensor, factors: Sequence[float] | Tensor) -> Update:
        """The change of the weights by their gradients; none where ``skip`` is 1 (a float on the device, 0 or 1)."""
        if self.config.clip_norm is not None:
            clip_gradient(self.optimizer, self.config.clip_norm)
        return Update(self.optimizer, skip, factors)

    def end_step(self) -> None:
        """Called once the weights have changed: count the step, and take them into the average."""
        if self.average is not None:
            self.average.update(self.steps_done)
        self.steps_done += 1

    def end_epoch(self, loss: float, val: float, cross: float) -> Epoch:
        """Add the epoch to the history. ``cross`` is NaN where it was not computed."""
        self.history.append({"epoch": self.number, "loss": loss, "val_in_domain": val})
        if not math.isnan(cross):
            self.history[-1]["val_cross_domain"] = cross
        self._keep_mask()
        # only in-domain validation may choose the epoch; the cross-domain vendors must not
        settled = self.number >= self.config.first_settled_epoch()
        if settled and (val > self.best["val"] or not self.best["epoch"]):
            self.best = {"val": val, "epoch": self.number, "weights": self._exported()}
        return Epoch(self.number, loss, val, self.state(), cross)

    def _exported(self) -> dict[str, Tensor]:
        """A copy of the weights that are scored and exported, on the host."""
        return {name: value.detach().cpu().clone() for name, value in self.scored.state_dict().items()}

    @torch.no_grad()
    def _keep_mask(self) -> None:
        """Add the probabilities at the epoch's last rate, (D,) by distance from DC, where one learned mask is trained.

        A conditional training has a mask for every rate, and a checkpoint of an earlier version lacks its first epochs:
        neither has a history of its mask.
        """
        mask = self.scored.sampling.mask
        learns_one_mask = mask.learned and not self.pipeline.nothing_to_sample and self.config.rate_from is None
        if learns_one_mask and len(self.mask_history) == self.number - 1:
            probability = mask.probability(self.draws[-1].rates[-1:])[0]
            self.mask_history.append(mean_by_distance(probability, mask.radius).float())

    def release(self) -> None:
        """Forget gradients and moments once the last epoch was trained and saved: scoring needs the memory."""
        self.optimizer.release()

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on. The tensors are not copied: training changes them."""
        state: dict[str, Any] = {
            "weights": self.pipeline.state_dict(),
            "task": self.task.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": list(self.history),
            "best": self.best,
        }
        if of_invariance := self.invariance.state_dict():
            state["invariance"] = of_invariance
        if self.mask_history:
            state["mask_history"] = list(self.mask_history)
        if self.average is not None:
            state["average"] = self.average.state_dict()
        if self.restarts:
            state["restarts"] = self.restarts
        return state


def harmonised_beforehand(pipeline: KSpaceClassifier, images: Images) -> tuple[Images, KSpaceClassifier]:
    """The images after a harmonisation that is computed ``beforehand``, and a pipeline without it; else both unchanged.

    The images are computed once for all trainings on the same ``images``, and kept for the latest harmonisation. The
    returned pipeline shares its modules with the given one.
    """
    harmonisation = pipeline.harmonisation
    if not harmonisation.beforehand:
        return images, pipeline
    name, harmonised = _harmonised.get(images, (None, images))
    if name != harmonisation.identity():
        harmonised = images.seen_through(lambda image, rows: harmonisation(image))
        _harmonised[images] = harmonisation.identity(), harmonised
    without_it = copy.copy(pipeline)
    without_it.harmonises = False
    return harmonised, without_it


def sampled_beforehand(
    config: TrialConfig,
    pipeline: KSpaceClassifier,
    augmentation: Augmentation,
    images: Images,
    device: str,
    most_bytes: int = SAMPLED_BYTES,
) -> tuple[Images, KSpaceClassifier]:
    """Harmonise and apply a fixed mask once; return the sampled images and a pipeline without sampling.

    Both are returned unchanged where the mask is random or moves, the rate varies, the reconstruction is trained or has
    a loss, the augmentation does not commute with sampling, or the images would take more than ``most_bytes``. The
    returned pipeline shares its modules with the given one, so training either trains both.
    """
    has_nothing_to_do = pipeline.nothing_to_sample and not pipeline.harmonises
    sampling = pipeline.sampling
    varies = has_nothing_to_do or sampling.mask.random or sampling.jitter or pipeline.rates_vary
    reconstruction = pipeline.reconstruction
    learns = reconstruction.has_parameters or reconstruction.weight or reconstruction.epochs_alone
    is_large = 4 * len(images) * images.side**2 > most_bytes
    if varies or learns or is_large or not _commutes(augmentation, pipeline.sampling.transform, images):
        return images, pipeline

    @torch.no_grad()
    def sample(image: Tensor, rows: Tensor) -> Tensor:
        rate = torch.full((len(image),), config.sampling_rate, device=device)
        return pipeline.restore(image.to(device), rate).image

    without_sampling = copy.copy(pipeline)
    without_sampling.nothing_to_sample = True
    without_sampling.harmonises = False
    return images.seen_through(sample), without_sampling


def _commutes(augmentation: Augmentation, transform: Transform, images: Images) -> bool:
    """Whether a fixed mask can be applied before this augmentation."""
    return augmentation.commutes_on_coils(transform) if images.coils else augmentation.commutes(transform)
