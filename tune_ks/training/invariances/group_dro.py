"""GroupDRO: the source with the largest loss weighs most (Sagawa et al., ICLR 2020)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.training.invariances.base import ByDomain, Domain, losses_of, require_several
from tune_ks.training.tasks.base import Task


class GroupDro(ByDomain):
    """L = sum over sources of q_d L_d. At each step q_d is first multiplied by exp(eta L_d), and q divided by its sum.

    q starts at 1 / D for each of D sources, and is kept in the checkpoint.
    """

    q: Tensor

    def __init__(self, sources: int, dro_eta: float) -> None:
        super().__init__(sources)
        self.eta = dro_eta
        self.register_buffer("q", torch.full((sources,), 1 / sources))

    def objective(self, task: Task, domains: Sequence[Domain], step: int) -> Tensor:
        losses = losses_of(task, domains)
        grown = self.q * (self.eta * losses.detach()).exp()
        self.q = grown / grown.sum()
        return (losses * self.q).sum()


ETA = Option("dro_eta", 0.01, "how fast the weight of a source grows with its loss", least=0)
MEMBER = Member(GroupDro, (ETA,), require_several)
