"""Classification: does the image show a tumour? The metric is the AUC."""

from torch import Tensor
from torch.nn import functional

from tune_ks.core.options import Member
from tune_ks.data.dataset import Batch
from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.training.tasks.base import Task, takes


class Classification(Task):
    """One logit per image; the loss is its binary cross-entropy, the score is the logit."""

    metric = "auc"

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        return functional.binary_cross_entropy_with_logits(output, batch.label)

    @staticmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        return output


MEMBER = Member(Classification, check=takes(CLASSIFIERS))
