"""IRM: the same last layer shall be the best one for every source (Arjovsky et al., arXiv:1907.02893, 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.data.dataset import Batch
from tune_ks.training.invariances.base import ByDomain, Domain, losses_of, require_several
from tune_ks.training.tasks.base import Task


class Irm(ByDomain):
    """L = mean of the sources' losses + w mean over sources of g' g'' (IRMv1)

    g is the derivative of a source's loss by a scale s of the network's output, at s = 1. Its square is estimated by
    the product of those of two halves of the source's images, every other one (g' and g''), which is unbiased. For the
    first ``irm_anneal`` steps w is 1; then it is ``irm_weight``, and the optimiser's moments begin anew.
    """

    def __init__(self, sources: int, irm_weight: float, irm_anneal: int) -> None:
        super().__init__(sources)
        self.weight = irm_weight
        self.anneal = irm_anneal

    def objective(self, task: Task, domains: Sequence[Domain], step: int) -> Tensor:
        penalties = torch.stack([_penalty(task, domain) for domain in domains])
        weight = self.weight if step >= self.anneal else 1.0
        return losses_of(task, domains).mean() + weight * penalties.mean()

    def restarts_optimiser(self, step: int) -> bool:
        return step == self.anneal


def _penalty(task: Task, domain: Domain) -> Tensor:
    """g' g'' of one source."""
    scale = torch.ones((), device=domain.output.device, requires_grad=True)
    slopes: list[Tensor] = []
    for first in (0, 1):
        half = Batch(*(values[first::2] for values in domain.batch))
        loss = task.loss(domain.output[first::2] * scale, half)
        slopes += torch.autograd.grad(loss, [scale], create_graph=True)
    return slopes[0] * slopes[1]


WEIGHT = Option("irm_weight", 100.0, "weight of the squared derivative, after the first irm_anneal steps", least=0)
ANNEAL = Option("irm_anneal", 500, "steps with a weight of 1 before that", int, least=0)
MEMBER = Member(Irm, (WEIGHT, ANNEAL), require_several)
