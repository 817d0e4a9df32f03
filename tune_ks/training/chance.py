"""Did a training stay at chance? From its training loss and its in-domain validation, never from a test label.

It did where neither says that anything was learned:

- the training loss of no epoch was below LOSS_SHARE of the loss of the best constant answer, which ignores the image;
- the mean AUC on in-domain validation, over the epochs that could be chosen, was within two standard deviations of one
  half. The deviation is that of scores that know nothing, sqrt((p + n + 1) / (12 p n)) for p positive and n negative
  images (Mann and Whitney, 1947). Images of one patient are alike, so the true deviation is larger.

A reconstruction's loss that is added to the training loss only raises it; validation decides then.
"""

import math
from collections.abc import Sequence

import numpy as np

LOSS_SHARE = 0.97
DEVIATIONS = 2.0


def stayed_at_chance(losses: Sequence[float], constant_loss: float, aucs: Sequence[float], label: np.ndarray) -> bool:
    """``losses`` of all epochs, ``aucs`` of those that could be chosen, ``label`` (n,) of the validation images.

    False where it cannot be known: the constant answer has no loss (NaN), or all images have one label.
    """
    positives = int((label == 1).sum())
    negatives = int((label == 0).sum())
    if math.isnan(constant_loss) or not positives or not negatives:
        return False
    deviation = math.sqrt((positives + negatives + 1) / (12 * positives * negatives))
    loss_fell = min(losses) < LOSS_SHARE * constant_loss
    ranks_images = float(np.mean(aucs)) > 0.5 + DEVIATIONS * deviation
    return not loss_fell and not ranks_images
