"""Where is the tumour in this image? Judged by the Dice coefficient of every image that has one."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from tune_ks.core.options import Member, Option
from tune_ks.data.dataset import Batch, Images, Splits
from tune_ks.model.classifiers import SEGMENTERS
from tune_ks.training.tasks.adversary import Adversary
from tune_ks.training.tasks.base import Task, takes

LEVELS = 32  # of the mean mask, from which the answer that ignores the image takes the best
CHUNK = 256  # masks that are read at once


class Segmentation(Task):
    """A map of logits an image, brought down towards its mask t by

        L = BCE(p, t) + 1 - (2 sum p t + 1) / (sum p + sum t + 1),     p = sigmoid(logit)

    the mean of the pixels' cross-entropies and the soft Dice loss (Milletari et al., 3DV 2016) of each image, together
    as in nnU-Net (Isensee et al., Nat. Methods 2021); an image without a tumour brings its sum p down. Above an
    ``adversarial_weight`` of 0 the adversary's loss stands beside L.
    """

    metric = "dice"
    reads_masks = True

    def __init__(self, adversarial_weight: float = 0.0) -> None:
        super().__init__()
        self.adversary = Adversary(adversarial_weight) if adversarial_weight else None

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        loss = functional.binary_cross_entropy_with_logits(output, batch.target)
        predicted = output.sigmoid()
        both, either = (predicted * batch.target).sum((1, 2, 3)), (predicted + batch.target).sum((1, 2, 3))
        loss = loss + (1 - (2 * both + 1) / (either + 1)).mean()
        if self.adversary is not None:
            loss = loss + self.adversary.loss(predicted, batch.target, batch.image)
        return loss

    @staticmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        """(B,) Dice coefficients of the pixels above one half; NaN where the image has no tumour."""
        predicted = (output > 0).float()
        return dice(*(values.sum((1, 2, 3)) for values in (predicted * batch.target, predicted, batch.target)))

    @classmethod
    def trivial(cls, splits: Splits) -> dict[str, float]:
        """Test Dice of one mask for every image: the mean mask of the training images, cut at the level that suits
        them best."""
        mean = sum(target.sum(0) for target in _targets(splits.train)).flatten() / len(splits.train)
        levels = mean.max() * torch.arange(LEVELS) / LEVELS
        cuts = (mean > levels[:, None]).float()
        best = cuts[_each(splits.train, cuts).nanmean(0).argmax()][None]
        return {vendor: _each(images, best).nanmean().item() for vendor, images in splits.test.items()}


def dice(both: Tensor, predicted: Tensor, drawn: Tensor) -> Tensor:
    """2 |P and T| / (|P| + |T|) of counts of pixels; NaN where nothing was drawn."""
    return torch.where(drawn > 0, 2 * both / (predicted + drawn), torch.nan)


def _each(images: Images, cuts: Tensor) -> Tensor:
    """(n, L) Dice of every mask of ``cuts`` (L, S S) in every image."""
    targets = (target.flatten(1) for target in _targets(images))
    found = [dice(target @ cuts.T, cuts.sum(1), target.sum(1, keepdim=True)) for target in targets]
    return torch.cat(found) if found else torch.empty(0, len(cuts))


def _targets(images: Images) -> Iterator[Tensor]:
    """The (B, 1, S, S) float masks, chunk by chunk."""
    for index in torch.arange(len(images)).split(CHUNK):
        yield images.target(index).float()


ADVERSARIAL_WEIGHT = Option(
    "adversarial_weight", 0.0, "how steeply the segmenter goes against an adversary; 0: there is none", least=0
)
MEMBER = Member(Segmentation, (ADVERSARIAL_WEIGHT,), takes(SEGMENTERS))
