"""A patient is positive unless every image, independently of the others, is negative."""

import numpy as np


def pool(score: np.ndarray, unit: np.ndarray, count: int) -> np.ndarray:
    """(n,) logits of images and the number (n,) of the unit of each, from 0 to ``count`` - 1 -> (count,) logits.

    P = 1 - prod (1 - p_i), so its logit is log(exp(sum softplus(s_i)) - 1). Many images of a middling score raise it
    as much as one of a high score, and with the number of images it rises by itself.
    """
    total = np.zeros(count)
    np.add.at(total, unit, np.logaddexp(0, score))
    return total + np.log(-np.expm1(-total))
