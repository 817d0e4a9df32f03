"""Segmentation: where is the tumour? The metric is the mean Dice coefficient of the images that show one."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from tune_ks.core.options import Member, Option
from tune_ks.core.record import ONE_FIXED_MASK
from tune_ks.data.dataset import Batch, Images, Splits
from tune_ks.model.classifiers import NO_NETWORK, SEGMENTERS
from tune_ks.training.tasks.adversary import Adversary
from tune_ks.training.tasks.base import Task, takes

LEVELS = 32  # thresholds of the mean mask that ``trivial`` tries
CHUNK = 256  # number of masks that are read at once


class Segmentation(Task):
    """A map of logits per image, trained towards the mask t with the loss

        L = BCE(p, t) + 1 - (2 sum p t + 1) / (sum p + sum t + 1),     p = sigmoid(logit)

    It is the mean cross-entropy of the pixels plus the soft Dice loss (Milletari et al., 3DV 2016) of each image, as in
    nnU-Net (Isensee et al., Nat. Methods 2021). For an image without a tumour it lowers sum p. Where
    ``adversarial_weight`` is above 0, the adversary's loss is added.
    """

    metric = "dice"
    target = "mask"

    def __init__(self, adversarial_weight: float = 0.0) -> None:
        super().__init__()
        self.adversary = Adversary(adversarial_weight) if adversarial_weight else None

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        loss = functional.binary_cross_entropy_with_logits(output, batch.target)
        predicted = output.sigmoid()
        overlap = (predicted * batch.target).sum((1, 2, 3))
        total = (predicted + batch.target).sum((1, 2, 3))
        loss = loss + (1 - (2 * overlap + 1) / (total + 1)).mean()
        if self.adversary is not None:
            loss = loss + self.adversary.loss(predicted, batch.target, batch.image)
        return loss

    @staticmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        """(B,) Dice coefficients of the pixels above one half; NaN where the image has no tumour."""
        predicted = (output > 0).float()
        overlap = (predicted * batch.target).sum((1, 2, 3))
        return dice(overlap, predicted.sum((1, 2, 3)), batch.target.sum((1, 2, 3)))

    @staticmethod
    def answers(output: Tensor) -> dict[str, Tensor]:
        """``mask`` (B, S, S) bool of each image, and its number of ``tumour_pixels`` (B,)."""
        mask = output[:, 0] > 0
        return {"mask": mask, "tumour_pixels": mask.sum((1, 2))}

    @classmethod
    def trivial(cls, splits: Splits) -> dict[str, dict[str, float]]:
        """The test Dice of one fixed mask for all images, by vendor.

        That mask is the mean mask of the training images, thresholded where it fits the training images best.
        """
        mean = sum((target.sum(0) for target in _targets(splits.train)), torch.zeros(())).flatten() / len(splits.train)
        levels = mean.max() * torch.arange(LEVELS) / LEVELS
        cuts = (mean > levels[:, None]).float()
        best = cuts[_dice_of_cuts(splits.train, cuts).nanmean(0).argmax()][None]
        of_vendor = {vendor: _dice_of_cuts(images, best).nanmean().item() for vendor, images in splits.test.items()}
        return {ONE_FIXED_MASK: of_vendor}


def dice(overlap: Tensor, predicted: Tensor, drawn: Tensor) -> Tensor:
    """2 |P and T| / (|P| + |T|) of counts of pixels; NaN where nothing was drawn."""
    return torch.where(drawn > 0, 2 * overlap / (predicted + drawn), torch.nan)


def _dice_of_cuts(images: Images, cuts: Tensor) -> Tensor:
    """(n, L) Dice of every mask of ``cuts`` (L, S S) in every image."""
    targets = (target.flatten(1) for target in _targets(images))
    coefficients = [dice(target @ cuts.T, cuts.sum(1), target.sum(1, keepdim=True)) for target in targets]
    return torch.cat(coefficients) if coefficients else torch.empty(0, len(cuts))


def _targets(images: Images) -> Iterator[Tensor]:
    """The (B, 1, S, S) float masks, chunk by chunk."""
    for index in torch.arange(len(images)).split(CHUNK):
        yield images.target(index).float()


ADVERSARIAL_WEIGHT = Option(
    "adversarial_weight", 0.0, "how steeply the segmenter goes against an adversary; 0: there is none",
    least=0, takes_coils=False,
)  # fmt: skip  # the adversary sees the image that was sampled
MEMBER = Member(Segmentation, (ADVERSARIAL_WEIGHT,), takes(SEGMENTERS, NO_NETWORK), takes_coils=True)
