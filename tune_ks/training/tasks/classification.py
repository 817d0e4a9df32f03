"""Classification: does the image show a tumour? The metric is the AUC."""

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from tune_ks.core.options import Member, Option
from tune_ks.data.dataset import Batch, Images
from tune_ks.model.classifiers import CLASSIFIERS, NO_NETWORK
from tune_ks.training.mixup import MIXUP
from tune_ks.training.tasks.base import Task, takes


class Classification(Task):
    """One logit z per image; the score is the logit, the loss the weighted cross-entropy

        L = -w(t) [t' log p + (1 - t') log(1 - p)],     p = sigmoid(z),     t' = (1 - s) t + s / 2

    with the label t, the ``label_smoothing`` s (Szegedy et al., CVPR 2016), and w = 1. Where ``class_weights`` is
    "balanced", w = n / (2 n_t) with the n_t of n training images that have the label t, so that both classes weigh the
    same. A label that ``mixup`` mixed has the mixed weight.
    """

    metric = "auc"

    def __init__(self, label_smoothing: float = 0.0, class_weights: str = "none", mixup: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.balanced = class_weights == "balanced"
        self.mixup = mixup
        self.weights = (1.0, 1.0)  # of the labels 0 and 1
        self.prevalence = math.nan  # share of the training images that have the label 1

    def prepare(self, images: Images) -> None:
        self.prevalence = float((images.label == 1).double().mean())
        if self.balanced:
            self.weights = balanced_weights(images.label)

    def constant_loss(self) -> float:
        """-a log(a / (a + b)) - b log(b / (a + b)), with the mean weighted targets a for a tumour and b for none."""
        of_0 = self.weights[0] * (1 - self.prevalence)
        of_1 = self.weights[1] * self.prevalence
        moved = self.label_smoothing / 2
        targets = (of_1 * (1 - moved) + of_0 * moved, of_0 * (1 - moved) + of_1 * moved)
        return -sum(target * math.log(target / sum(targets)) for target in targets if target > 0)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        return functional.binary_cross_entropy_with_logits(output, *self._target(batch.label))

    def _target(self, label: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B,) labels t -> t' and w, both (B,); None where w is 1."""
        weight = self.weights[0] + (self.weights[1] - self.weights[0]) * label if self.balanced else None
        if self.label_smoothing:
            label = label + self.label_smoothing * (0.5 - label)
        return label, weight

    @classmethod
    def losses(cls, tasks: Sequence[Self], outputs: Sequence[Tensor], batches: Sequence[Batch]) -> Sequence[Tensor]:
        """As in the base class, in one call."""
        targets = []
        weights = []
        for task, batch in zip(tasks, batches, strict=True):
            target, weight = task._target(batch.label)
            targets.append(target)
            weights.append(weight)
        of_all = None
        if any(task.balanced for task in tasks):
            of_all = torch.stack([torch.ones_like(targets[0]) if weight is None else weight for weight in weights])
        of_images = functional.binary_cross_entropy_with_logits(
            torch.stack(list(outputs)), torch.stack(targets), of_all, reduction="none"
        )
        return of_images.mean(1).unbind()

    @staticmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        return output

    @staticmethod
    def answers(output: Tensor) -> dict[str, Tensor]:
        """The logit of each image."""
        return {"logit": output}


def balanced_weights(label: Tensor) -> tuple[float, float]:
    """(n,) labels -> weights of the labels 0 and 1, n / (2 n_t); 1 for a label that no image has."""
    counts = [int((label == value).sum()) for value in (0, 1)]
    of_0, of_1 = (sum(counts) / (2 * count) if count else 1.0 for count in counts)
    return of_0, of_1


LABEL_SMOOTHING = Option(
    "label_smoothing", 0.0, "share by which training labels are moved towards one half", least=0, below=1
)
CLASS_WEIGHTS = Option(
    "class_weights",
    "none",
    "balanced: both classes weigh the same in the loss, whatever their numbers of training images",
    str,
    choices=("none", "balanced"),
)
MEMBER = Member(
    Classification, (LABEL_SMOOTHING, CLASS_WEIGHTS, MIXUP), takes(CLASSIFIERS, NO_NETWORK), takes_coils=True
)
