"""A patient's score is that of the most suspicious image."""

import numpy as np


def pool(score: np.ndarray, unit: np.ndarray, count: int) -> np.ndarray:
    """(n,) logits of images and the number (n,) of the unit of each, from 0 to ``count`` - 1 -> (count,) logits.

    The more images a unit has, the higher its maximum is by chance.
    """
    pooled = np.full(count, -np.inf)
    np.maximum.at(pooled, unit, score)
    return pooled
