"""The answer of a trial without a network: that of the yardstick which the source vendor's validation images choose.

What was fitted is thrown away with its scores: a table of nearest neighbours, for example, is pixels of patients.
"""

import math
from typing import NamedTuple

import numpy as np

from tune_ks.core.config import TrialConfig
from tune_ks.core.domains import mean_of_sources
from tune_ks.core.metrics import METRICS
from tune_ks.data.dataset import Splits
from tune_ks.evaluation.yardstick_scores import YardstickScores
from tune_ks.model.classifiers import NO_NETWORK
from tune_ks.training.tasks import task_of
from tune_ks.training.train import TrainingFailed


class Answer(NamedTuple):
    """The chosen yardstick, by its name in records, and its scores: split -> vendor -> (n,)."""

    yardstick: str
    scores: dict[str, dict[str, np.ndarray]]


def is_without_network(config: TrialConfig) -> bool:
    """Whether a trial of this config has no network, so that yardsticks score it."""
    return config.classifier in NO_NETWORK


def best_answer(config: TrialConfig, splits: Splits, yardsticks: YardstickScores) -> Answer:
    """The yardstick with the highest in-domain validation metric; the first of equal ones.

    The first where validation has no metric. TrainingFailed where there is no yardstick at all.
    """
    task = task_of(config)
    if not yardsticks:
        title = METRICS[task.metric].title
        raise TrainingFailed(
            f"without a network a trial needs a yardstick, and none can be fitted: the task {config.task!r} has none, "
            f"or the training images of {config.vendor} lack a class that the {title} needs"
        )
    best = Answer(*next(iter(yardsticks.items())))
    best_value = -math.inf
    for name, scores in yardsticks.items():
        of_sources = {source: task.measure(splits.val[source], scores["val"][source]) for source in config.sources}
        value = mean_of_sources(of_sources, config.vendor)
        if value > best_value:
            best_value = value
            best = Answer(name, scores)
    return best
