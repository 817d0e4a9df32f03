"""No invariance: the images of all sources are one training set. And the same with as many images of each source."""

from collections.abc import Sequence

from torch import Tensor

from tune_ks.core.options import Member
from tune_ks.data.dataset import Batch
from tune_ks.training.invariances.base import ByDomain, Domain, Invariance, losses_of, require_several
from tune_ks.training.tasks.base import Task


class Pooled(Invariance):
    """Empirical risk minimisation on the images of all sources, each image once in an epoch, in any order."""

    def loss(self, task: Task, output: Tensor, batch: Batch, features: Tensor | None, step: int) -> Tensor:
        return task.loss(output, batch)


class Balanced(ByDomain):
    """L = the mean of the sources' losses: DomainBed's ERM, in which every source weighs the same."""

    def objective(self, task: Task, domains: Sequence[Domain], step: int) -> Tensor:
        return losses_of(task, domains).mean()


POOLED = Member(Pooled)
BALANCED = Member(Balanced, check=require_several)
