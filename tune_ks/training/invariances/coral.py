"""CORAL: the features of all sources shall have the same mean and covariance (Sun and Saenko, ECCV-W 2016)."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member, Option
from tune_ks.model.classifiers.base import last_layer
from tune_ks.model.pipeline import build_member
from tune_ks.training.invariances.base import ByDomain, Domain, losses_of, require_several
from tune_ks.training.tasks.base import Task


class Coral(ByDomain):
    """L = mean of the sources' losses + w mean over pairs of sources of

        P(x, y) = sum over i of (m(x)_i - m(y)_i)^2 / F + sum over i, j of (C(x)_ij - C(y)_ij)^2 / F^2

    with the mean m and the covariance C (divided by b - 1) of the F features that enter the network's last layer,
    dropout included. That is DomainBed's; Sun and Saenko have the second sum alone, with 1 / (4 F^2).
    """

    reads_features = True

    def __init__(self, sources: int, coral_weight: float) -> None:
        super().__init__(sources)
        self.weight = coral_weight

    def objective(self, task: Task, domains: Sequence[Domain], step: int) -> Tensor:
        features = [domain.features for domain in domains if domain.features is not None]  # of all: it reads them
        penalties = [coral_penalty(x, y) for x, y in combinations(features, 2)]
        return losses_of(task, domains).mean() + self.weight * torch.stack(penalties).mean()


def coral_penalty(x: Tensor, y: Tensor) -> Tensor:
    """P of (n, F) and (m, F) features.

    ||C(x) - C(y)||^2 is computed from the inner products of images, (n + m)^2 numbers, where C itself has F^2: of
    AlexNet's 4,096 features 17 million.
    """
    count = x.shape[1]
    x_mean = x.mean(0)
    y_mean = y.mean(0)
    x_scaled = (x - x_mean) / (len(x) - 1) ** 0.5
    y_scaled = (y - y_mean) / (len(y) - 1) ** 0.5
    of_x = (x_scaled @ x_scaled.T).square().sum()
    of_y = (y_scaled @ y_scaled.T).square().sum()
    of_both = (x_scaled @ y_scaled.T).square().sum()
    return (x_mean - y_mean).square().mean() + (of_x + of_y - 2 * of_both) / count**2


def _check(config: TrialConfig, values: Mapping[str, Any]) -> None:
    require_several(config, values)
    with torch.device("meta"):  # its shape only: nothing is allocated
        network = build_member(config, "classifier")
    if last_layer(network) is None:
        raise ValueError(
            f"the invariance {config.invariance!r} compares the features that enter a network's last linear layer, and "
            f"the network {config.classifier!r} has none in a part called head: use another invariance or network"
        )


WEIGHT = Option("coral_weight", 1.0, "weight of the difference between the sources' features", least=0)
MEMBER = Member(Coral, (WEIGHT,), _check)
