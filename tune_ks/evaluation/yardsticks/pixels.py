"""Classifiers of 16 x 16 pixels, which scikit-learn fits: what they share.

They are never exported: a support vector machine and a table of nearest neighbours hold pixels of patients.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tune_ks.core.metrics import auc
from tune_ks.evaluation.yardsticks.base import Labelled, NumberScores, has_both_classes

SIDE = 16  # pixels; an image of a patch of 64 loses three quarters of its k-space along each axis
Fit = Callable[[Any, Labelled], NumberScores]  # a setting, and training images


def numbers(images: np.ndarray) -> np.ndarray:
    """(n, S, S) -> (n, 256): the means over 16 x 16 nearly equal parts of each image, row by row."""
    small = functional.adaptive_avg_pool2d(torch.from_numpy(images)[:, None], SIDE)
    return small.flatten(1).double().numpy()


def best_setting(fit: Fit, settings: Sequence[Any], usual: Any, train: Labelled, val: Labelled) -> NumberScores:
    """``fit`` with the setting that has the highest AUC on validation images; the first of equal ones.

    Without both classes in validation it is the ``usual`` setting.
    """
    if not has_both_classes(val.label):
        return fit(usual, train)
    best_auc = -np.inf
    for setting in settings:
        score = fit(setting, train)
        value = auc(val.label, score(val.numbers))
        if value > best_auc:
            best_auc = value
            best = score
    return best


def log_odds(positive: np.ndarray, count: int) -> np.ndarray:
    """The logit of ``positive`` of ``count`` votes, each of the two answers with half a vote more (Haldane, 1956)."""
    return np.log((positive + 0.5) / (count - positive + 0.5))
